// A writer and a reader of one topic by franz-go, for as long as standard input is open.
//
// The reader validates its position by leader epoch (OffsetForLeaderEpoch) whenever a partition has another leader, as
// the Java consumer does, and says so where it takes records to be lost. At the end one line of JSON tells what both
// have seen:
//
//	acknowledged  records that were acknowledged to the writer (acks=all, idempotent)
//	refused       records of which the writer was told that they are not there
//	read          records that the reader was given, each offset once
//	missing       acknowledged records that the reader was not given, after it had come to the end
//	doubled       offsets that the reader was given again
//	moved         acknowledged records that the reader was given with another content
//	lost          what the reader has said about lost records
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type place struct {
	partition int32
	offset    int64
}

type report struct {
	Acknowledged int      `json:"acknowledged"`
	Refused      int      `json:"refused"`
	Read         int      `json:"read"`
	Missing      int      `json:"missing"`
	Doubled      int      `json:"doubled"`
	Moved        int      `json:"moved"`
	Lost         []string `json:"lost"`
}

type history struct {
	mutex   sync.Mutex
	acked   map[place]string
	read    map[place]string
	unread  map[place]bool
	refused int
	doubled int
	lost    []string
}

func (h *history) wrote(record *kgo.Record, err error) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if err != nil {
		h.refused++
		return
	}
	at := place{record.Partition, record.Offset}
	h.acked[at] = string(record.Value)
	if _, known := h.read[at]; !known {
		h.unread[at] = true
	}
}

func (h *history) saw(record *kgo.Record) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	at := place{record.Partition, record.Offset}
	if _, known := h.read[at]; known {
		h.doubled++
	}
	h.read[at] = string(record.Value)
	delete(h.unread, at)
}

func (h *history) failed(partition int32, err error) {
	var loss *kgo.ErrDataLoss
	if errors.As(err, &loss) {
		h.mutex.Lock()
		defer h.mutex.Unlock()
		h.lost = append(h.lost, fmt.Sprintf("%d: %v", partition, err))
	}
}

func (h *history) report() report {
	moved := 0
	for at, value := range h.acked {
		if read, known := h.read[at]; known && read != value {
			moved++
		}
	}
	return report{len(h.acked), h.refused, len(h.read), len(h.unread), h.doubled, moved, h.lost}
}

func main() {
	bootstrap, topic := os.Args[1], os.Args[2]
	h := &history{acked: map[place]string{}, read: map[place]string{}, unread: map[place]bool{}, lost: []string{}}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.DefaultProduceTopic(topic),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.KeepRetryableFetchErrors(),
		kgo.FetchMaxWait(200*time.Millisecond),
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.MaxBufferedRecords(1000),
		kgo.ProducerLinger(0),
	)
	if err != nil {
		panic(err)
	}
	everything, stopReading := context.WithCancel(context.Background())
	writing, stopWriting := context.WithCancel(everything)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stopWriting()
	}()
	readerIsDone := make(chan struct{})
	go func() {
		defer close(readerIsDone)
		for everything.Err() == nil {
			fetches := client.PollFetches(everything)
			fetches.EachError(func(_ string, partition int32, err error) { h.failed(partition, err) })
			fetches.EachRecord(h.saw)
		}
	}()
	fmt.Println("begun")
	for number := 0; writing.Err() == nil; number++ {
		client.Produce(everything, kgo.StringRecord(fmt.Sprint(number)), h.wrote)
		time.Sleep(200 * time.Microsecond)
	}
	if err := client.Flush(everything); err != nil {
		panic(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		h.mutex.Lock()
		left := len(h.unread)
		h.mutex.Unlock()
		if left == 0 {
			break
		}
	}
	stopReading()
	<-readerIsDone
	json.NewEncoder(os.Stdout).Encode(h.report())
}
