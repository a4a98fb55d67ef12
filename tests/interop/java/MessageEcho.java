import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Says how Apache Kafka understands messages. For each line "name version hex" of standard input one line comes back:
 * the bytes that Kafka writes for what it has read, a tab, and the message as JSON; or "error" and the reason. A line
 * that is only a name is answered with the API key, -1 where it has none, the lowest and the highest version, a tab, and
 * JSON: struct name to field name to default, for the message's class and those nested in it.
 */
public class MessageEcho {
    private static final String[] PLACES = {
        "org.apache.kafka.common.message.%sData",
        "org.apache.kafka.common.message.%s",
        "org.apache.kafka.common.metadata.%s",
        "org.apache.kafka.coordinator.group.generated.%s",
        "org.apache.kafka.coordinator.share.generated.%s",
        "org.apache.kafka.coordinator.transaction.generated.%s",
    };

    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ", -1);
            if (words.length == 1) {
                out.println(describe(newMessage(words[0])));
            } else {
                out.println(answer(words[0], Short.parseShort(words[1]), HexFormat.of().parseHex(words[2])));
            }
        }
        out.flush();
    }

    private static String describe(Message message) throws Exception {
        int key = message instanceof ApiMessage ? ((ApiMessage) message).apiKey() : -1;
        ObjectNode defaults = JsonNodeFactory.instance.objectNode();
        for (Class<?> struct : structs(message.getClass())) {
            defaults.set(struct.getSimpleName(), defaultsOf(struct));
        }
        return key + " " + message.lowestSupportedVersion() + " " + message.highestSupportedVersion() + "\t" + defaults;
    }

    private static List<Class<?>> structs(Class<?> message) {
        List<Class<?>> found = new ArrayList<>(List.of(message));
        for (Class<?> nested : message.getDeclaredClasses()) {
            if (Message.class.isAssignableFrom(nested)) {
                found.add(nested);
            }
        }
        return found;
    }

    private static ObjectNode defaultsOf(Class<?> struct) throws Exception {
        Object fresh = struct.getDeclaredConstructor().newInstance();
        ObjectNode defaults = JsonNodeFactory.instance.objectNode();
        for (Field field : struct.getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers()) && !field.getName().startsWith("_")) {
                field.setAccessible(true);
                put(defaults, field.getName(), field.get(fresh));
            }
        }
        return defaults;
    }

    private static void put(ObjectNode defaults, String name, Object value) {
        if (value == null) {
            defaults.putNull(name);
        } else if (value instanceof Boolean) {
            defaults.put(name, (Boolean) value);
        } else if (value instanceof Double) {
            defaults.put(name, (Double) value);
        } else if (value instanceof Number) {
            defaults.put(name, ((Number) value).longValue());
        } else if (value instanceof String) {
            defaults.put(name, (String) value);
        } else if (value instanceof byte[]) {
            defaults.put(name, new String((byte[]) value, StandardCharsets.ISO_8859_1));
        } else if (value instanceof ByteBuffer) {
            defaults.put(name, ((ByteBuffer) value).hasRemaining() ? "some bytes" : "");
        } else if (value instanceof Uuid) {
            defaults.put(name, ((Uuid) value).toString());
        } else if (value instanceof Collection && ((Collection<?>) value).isEmpty()) {
            defaults.putArray(name);
        } else {
            defaults.put(name, value.getClass().getSimpleName());
        }
    }

    private static String answer(String name, short version, byte[] frame) {
        try {
            Message message = newMessage(name);
            ByteBuffer buffer = ByteBuffer.wrap(frame);
            message.read(new ByteBufferAccessor(buffer), version);
            if (buffer.hasRemaining()) {
                return "error " + buffer.remaining() + " bytes left over";
            }
            String json = toJson(message, version).toString();
            ByteBuffer written = MessageUtil.toByteBufferAccessor(message, version).buffer();
            byte[] bytes = new byte[written.remaining()];
            written.get(bytes);
            return HexFormat.of().formatHex(bytes) + "\t" + json;
        } catch (Throwable reason) {
            Throwable cause = reason.getCause() == null ? reason : reason.getCause();
            return "error " + cause.toString().replace('\n', ' ');
        }
    }

    private static JsonNode toJson(Message message, short version) throws Exception {
        Class<?> converter = Class.forName(message.getClass().getName() + "JsonConverter");
        Method write = converter.getMethod("write", message.getClass(), short.class, boolean.class);
        return (JsonNode) write.invoke(null, message, version, false);
    }

    private static Message newMessage(String name) throws Exception {
        for (String place : PLACES) {
            try {
                return (Message) Class.forName(String.format(place, name)).getDeclaredConstructor().newInstance();
            } catch (ClassNotFoundException elsewhere) {
                continue;
            }
        }
        throw new ClassNotFoundException(name);
    }
}
