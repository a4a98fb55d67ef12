import org.apache.kafka.common.message.ApiMessageType.ListenerType;
import org.apache.kafka.common.protocol.ApiKeys;

/** Prints each API that a listener of an Apache Kafka broker offers as "key name". */
public class BrokerApis {
    public static void main(String[] arguments) {
        for (ApiKeys api : ApiKeys.apisForListener(ListenerType.BROKER)) {
            System.out.println(api.id + " " + api.name);
        }
    }
}
