import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import kafka.server.KafkaConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.storage.internals.log.LogConfig;

/** Prints each key of a broker and of a topic: "broker|topic", name, type, what a value may be; separated by tabs. */
public class ConfigBounds {
    public static void main(String[] arguments) throws Exception {
        print("broker", KafkaConfig.configDef());
        print("topic", LogConfig.configDefCopy());
    }

    private static void print(String kind, ConfigDef keys) {
        for (Map.Entry<String, ConfigDef.ConfigKey> each : new TreeMap<>(keys.configKeys()).entrySet()) {
            ConfigDef.ConfigKey key = each.getValue();
            String bounds = key.validator == null ? "" : key.validator.toString();
            System.out.println(String.join("\t", kind, key.name, key.type.toString(), bounds.replace("\n", " ")));
        }
    }
}
