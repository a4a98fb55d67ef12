import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Copies a topic in transactions: BOOTSTRAP SOURCE TARGET COUNT; every third is aborted and read again. */
public class CopyExactlyOnce {
    public static void main(String[] given) {
        Properties reads = new Properties();
        reads.put("bootstrap.servers", given[0]);
        reads.put("group.id", "copiers-of-" + given[1]);
        reads.put("auto.offset.reset", "earliest");
        reads.put("enable.auto.commit", "false");
        reads.put("isolation.level", "read_committed");
        reads.put("max.poll.records", "20");
        Properties writes = new Properties();
        writes.put("bootstrap.servers", given[0]);
        writes.put("transactional.id", "copier-of-" + given[1]);
        int left = Integer.parseInt(given[3]);
        try (var consumer = new KafkaConsumer<>(reads, new ByteArrayDeserializer(), new ByteArrayDeserializer());
             var producer = new KafkaProducer<>(writes, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.initTransactions();
            consumer.subscribe(List.of(given[1]));
            for (int number = 1; left > 0; ) {
                ConsumerRecords<byte[], byte[]> batch = consumer.poll(Duration.ofMillis(500));
                if (batch.isEmpty()) continue;
                producer.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> upto = new HashMap<>();
                Map<TopicPartition, Long> from = new HashMap<>();
                for (ConsumerRecord<byte[], byte[]> record : batch) {
                    TopicPartition place = new TopicPartition(record.topic(), record.partition());
                    producer.send(new ProducerRecord<>(given[2], record.partition(), record.key(), record.value()));
                    from.putIfAbsent(place, record.offset());
                    upto.put(place, new OffsetAndMetadata(record.offset() + 1));
                }
                producer.sendOffsetsToTransaction(upto, consumer.groupMetadata());
                if (number++ % 3 == 0) {
                    producer.abortTransaction();
                    from.forEach(consumer::seek);
                } else {
                    producer.commitTransaction();
                    left -= batch.count();
                }
            }
        }
        System.out.println("copied");
    }
}
