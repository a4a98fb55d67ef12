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
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Copies `source` to `target` in transactions: BOOTSTRAP TRANSACTIONAL_ID. After any error both clients are made anew. */
public class CopyUntilKilled {
    public static void main(String[] given) {
        while (true) {
            try {
                copyForALife(given[0], given[1]);
            } catch (KafkaException error) {
                System.out.println("begins anew: " + error);
            }
        }
    }

    private static void copyForALife(String bootstrap, String transactionalId) {
        Properties shared = new Properties();
        shared.put("bootstrap.servers", bootstrap);
        shared.put("reconnect.backoff.ms", "20");
        shared.put("reconnect.backoff.max.ms", "100");
        shared.put("request.timeout.ms", "5000");
        Properties reads = new Properties();
        reads.putAll(shared);
        reads.put("group.id", "copiers");
        reads.put("auto.offset.reset", "earliest");
        reads.put("enable.auto.commit", "false");
        reads.put("isolation.level", "read_committed");
        reads.put("session.timeout.ms", "6000");
        reads.put("heartbeat.interval.ms", "500");
        reads.put("max.poll.records", "200");
        Properties writes = new Properties();
        writes.putAll(shared);
        writes.put("transactional.id", transactionalId);
        writes.put("transaction.timeout.ms", "10000");
        writes.put("delivery.timeout.ms", "20000");
        try (var consumer = new KafkaConsumer<>(reads, new ByteArrayDeserializer(), new ByteArrayDeserializer());
             var producer = new KafkaProducer<>(writes, new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.initTransactions();
            consumer.subscribe(List.of("source"));
            while (true) {
                ConsumerRecords<byte[], byte[]> batch = consumer.poll(Duration.ofMillis(200));
                if (!batch.isEmpty()) copy(batch, consumer, producer);
            }
        }
    }

    private static void copy(
            ConsumerRecords<byte[], byte[]> batch, KafkaConsumer<byte[], byte[]> consumer, KafkaProducer<byte[], byte[]> producer) {
        Map<TopicPartition, OffsetAndMetadata> upto = new HashMap<>();
        producer.beginTransaction();
        for (ConsumerRecord<byte[], byte[]> record : batch) {
            producer.send(new ProducerRecord<>("target", record.partition(), null, record.value()));
            upto.put(new TopicPartition(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        producer.sendOffsetsToTransaction(upto, consumer.groupMetadata());
        producer.commitTransaction();
    }
}
