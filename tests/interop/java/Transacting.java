import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * What Java's clients do in transactions: BOOTSTRAP and then one of
 *
 *   write PARTITIONS END:VALUE,... CODEC=TOPIC...   the same transactions into each topic
 *   read PARTITIONS TOPIC...                        a line for each record: topic, isolation, partition, value
 *   ends TOPIC GROUP                                empty ones, one that is fenced, one that is late, and offsets
 */
public class Transacting {
    private static String bootstrap;

    public static void main(String[] given) throws Exception {
        bootstrap = given[0];
        List<String> rest = List.of(given).subList(2, given.length);
        switch (given[1]) {
            case "write" -> write(Integer.parseInt(rest.get(0)), rest.get(1).split(","), rest.subList(2, rest.size()));
            case "read" -> read(Integer.parseInt(rest.get(0)), rest.subList(1, rest.size()));
            default -> ends(rest.get(0), rest.get(1));
        }
    }

    private static void write(int partitions, String[] rounds, List<String> targets) throws Exception {
        for (String target : targets) {
            String codec = target.substring(0, target.indexOf('=')), topic = target.substring(codec.length() + 1);
            try (var producer = producer("java-" + topic, "compression.type", codec)) {
                for (String round : rounds) {
                    producer.beginTransaction();
                    for (int partition = 0; partition < partitions; partition++)
                        send(producer, topic, partition, round.substring(round.indexOf(':') + 1));
                    if (round.startsWith("commit")) producer.commitTransaction();
                    else producer.abortTransaction();
                }
            }
        }
    }

    private static void read(int partitions, List<String> topics) {
        List<TopicPartition> places = new ArrayList<>();
        for (String topic : topics)
            for (int partition = 0; partition < partitions; partition++) places.add(new TopicPartition(topic, partition));
        for (String isolation : List.of("read_committed", "read_uncommitted")) {
            Properties settings = new Properties();
            settings.put("bootstrap.servers", bootstrap);
            settings.put("isolation.level", isolation);
            settings.put("auto.offset.reset", "earliest");
            try (var consumer =
                     new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
                consumer.assign(places);
                Map<TopicPartition, Long> ends = consumer.endOffsets(places);
                while (places.stream().anyMatch(place -> consumer.position(place) < ends.get(place)))
                    for (ConsumerRecord<byte[], byte[]> one : consumer.poll(Duration.ofMillis(200)))
                        System.out.println(String.join(" ", one.topic(), isolation, "" + one.partition(),
                            new String(one.value())));
            }
        }
    }

    private static void ends(String topic, String group) throws Exception {
        TopicPartition place = new TopicPartition(topic, 0);
        try (var producer = producer("of-" + topic)) {
            producer.beginTransaction();
            producer.commitTransaction();
            producer.beginTransaction();
            producer.abortTransaction();
            for (long offset : new long[] {5, 9}) {
                producer.beginTransaction();
                send(producer, topic, 0, "" + offset);
                producer.sendOffsetsToTransaction(
                    Map.of(place, new OffsetAndMetadata(offset)), new ConsumerGroupMetadata(group));
                if (offset == 5) producer.commitTransaction();
                else producer.abortTransaction();
            }
            producer.beginTransaction();
            send(producer, topic, 0, "fenced");
            try (var another = producer("of-" + topic)) {
                another.beginTransaction();
                send(another, topic, 0, "successor");
                another.commitTransaction();
            }
            System.out.println("fenced: " + refusal(producer));
        } catch (KafkaException fencedAsItCloses) {
            System.out.println("closed: " + fencedAsItCloses);
        }
        try (var late = producer("late-" + topic, "transaction.timeout.ms", "1000")) {
            late.beginTransaction();
            send(late, topic, 0, "late");
            try (var another = producer("behind-" + topic)) {
                another.beginTransaction();
                send(another, topic, 0, "behind");
                another.commitTransaction();
            }
            awaitLast(place, "behind");
            System.out.println("late: " + refusal(late));
        } catch (KafkaException fencedAsItCloses) {
            System.out.println("closed: " + fencedAsItCloses);
        }
    }

    private static String refusal(KafkaProducer<byte[], byte[]> producer) {
        try {
            producer.commitTransaction();
            return "committed";
        } catch (KafkaException refusal) {
            return refusal.getClass().getSimpleName();
        }
    }

    /** Who reads committed records gets this one once what is open before it has ended. */
    private static void awaitLast(TopicPartition place, String value) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("isolation.level", "read_committed");
        settings.put("auto.offset.reset", "earliest");
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(place));
            while (true)
                for (ConsumerRecord<byte[], byte[]> one : consumer.poll(Duration.ofMillis(200)))
                    if (new String(one.value()).equals(value)) return;
        }
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, int partition, String value)
        throws Exception {
        producer.send(new ProducerRecord<>(topic, partition, null, value.getBytes())).get();
    }

    private static KafkaProducer<byte[], byte[]> producer(String transactionalId, String... more) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        settings.put("transactional.id", transactionalId);
        for (int at = 0; at < more.length; at += 2) settings.put(more[at], more[at + 1]);
        var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
        producer.initTransactions();
        return producer;
    }
}
