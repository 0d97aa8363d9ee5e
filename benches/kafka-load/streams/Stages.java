// The four stages of the pizzeria on Kafka Streams, for `kafka-load compare --streams`: what a team in Java would write.
//
// Each stage is an application of its own, with its own group, transactions and commits, as the services are; all four are in
// one JVM, which is kinder to two cores than four would be. Values are typed and read and written once a stage.

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.CloseOptions;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

public class Stages {
    // Fields, so that Jackson needs neither getters nor reflection on methods.
    public static class Pizza {
        public String order_id;
        public String sauce;
        public String cheese;
        public String meats;
        public String veggies;
        public int number;
    }

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final ObjectReader READER = MAPPER.readerFor(Pizza.class);
    private static final ObjectWriter WRITER = MAPPER.writerFor(Pizza.class);

    private static final String[] SAUCES = {"regular", "light", "extra", "alfredo", "bbq", "none"};
    private static final String[] CHEESES = {"extra", "none", "three cheese", "goat cheese"};
    private static final String[] MEATS = {"pepperoni", "sausage", "ham", "anchovies", "salami", "bacon"};
    private static final String[] VEGGIES = {"tomato", "olives", "onions", "peppers", "pineapple", "mushrooms"};

    // Arguments: where the cluster is, what stands before topics and groups, a folder for state; then name=value of
    // Kafka Streams, which goes before its defaults.
    public static void main(String[] arguments) throws InterruptedException {
        Properties properties = new Properties();
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, arguments[2]);
        for (String argument : List.of(arguments).subList(3, arguments.length)) {
            String[] parts = argument.split("=", 2);
            properties.put(parts[0], parts[1]);
        }
        String prefix = arguments[1];
        List<KafkaStreams> applications = new ArrayList<>();
        applications.add(stage(properties, prefix, "sauce", "pizza", "pizza-with-sauce",
            pizza -> pizza.sauce = one(SAUCES)));
        applications.add(stage(properties, prefix, "cheese", "pizza-with-sauce", "pizza-with-cheese",
            pizza -> pizza.cheese = one(CHEESES)));
        applications.add(stage(properties, prefix, "meat", "pizza-with-cheese", "pizza-with-meats",
            pizza -> pizza.meats = some(MEATS)));
        applications.add(stage(properties, prefix, "veggie", "pizza-with-meats", "pizza-with-veggies",
            pizza -> pizza.veggies = some(VEGGIES)));
        CountDownLatch over = new CountDownLatch(1);
        for (KafkaStreams application : applications) {
            // One that has ended would make the others look slow: all end.
            application.setStateListener((state, before) -> {
                if (state == KafkaStreams.State.ERROR || state == KafkaStreams.State.NOT_RUNNING) {
                    over.countDown();
                }
            });
            application.start();
        }
        // Who does not leave its group is waited for by it the next time.
        CloseOptions leave = CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.LEAVE_GROUP)
            .withTimeout(Duration.ofSeconds(20));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> applications.parallelStream().forEach(
            application -> application.close(leave))));
        over.await();
        System.exit(1);
    }

    private static KafkaStreams stage(Properties common, String prefix, String name, String from, String to,
            Consumer<Pizza> putOn) {
        Properties properties = new Properties();
        properties.putAll(common);
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, prefix + name);
        Serde<byte[]> keys = Serdes.ByteArray();
        Serde<Pizza> pizzas = Serdes.serdeFrom((topic, pizza) -> written(pizza), (topic, bytes) -> read(bytes));
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(prefix + from, Consumed.with(keys, pizzas))
            .mapValues(pizza -> {
                putOn.accept(pizza);
                return pizza;
            })
            .to(prefix + to, Produced.with(keys, pizzas));
        return new KafkaStreams(builder.build(), properties);
    }

    private static byte[] written(Pizza pizza) {
        try {
            return WRITER.writeValueAsBytes(pizza);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static Pizza read(byte[] bytes) {
        try {
            return READER.readValue(bytes);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static String one(String[] menu) {
        return menu[ThreadLocalRandom.current().nextInt(menu.length)];
    }

    // None to four of them, no repeats.
    private static String some(String[] menu) {
        ThreadLocalRandom random = ThreadLocalRandom.current();
        StringBuilder text = new StringBuilder();
        int wanted = random.nextInt(5);
        int left = menu.length;
        for (String name : menu) {
            if (random.nextInt(left) < wanted) {
                if (text.length() > 0) {
                    text.append(" & ");
                }
                text.append(name);
                wanted--;
            }
            left--;
        }
        return text.length() == 0 ? "none" : text.toString();
    }
}
