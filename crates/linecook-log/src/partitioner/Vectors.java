// Prints what Apache Kafka's Java client makes of keys: the key in hexadecimal, its murmur2, a partition count, the partition.
// Made with Kafka 4.3.1, whose jars `just kafka-up` leaves in `target/kafka`:
//
//     java -cp 'target/kafka/4.3.1/jars/*' crates/linecook-log/src/partitioner/Vectors.java \
//         > crates/linecook-log/src/partitioner/vectors.txt

import java.util.HexFormat;
import java.util.Random;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;
import org.apache.kafka.common.utils.Utils;

class Vectors {
    // A prime, powers of two, the usual ones, and as many as an int can say.
    private static final int[] COUNTS = {1, 2, 3, 4, 6, 12, 16, 50, 97, 1000, Integer.MAX_VALUE};

    public static void main(String[] arguments) {
        Random random = new Random(2026);
        // All lengths to some words past those of UUIDs, where every remainder of a word is met, and some long ones.
        for (int length = 0; length <= 72; length++) {
            for (int time = 0; time < 4; time++) {
                print(random, length);
            }
        }
        for (int length : new int[] {255, 256, 257, 1023}) {
            print(random, length);
        }
    }

    private static void print(Random random, int length) {
        byte[] key = new byte[length];
        random.nextBytes(key);
        int count = COUNTS[random.nextInt(COUNTS.length)];
        String hex = HexFormat.of().formatHex(key);
        System.out.println((hex.isEmpty() ? "-" : hex) + " " + Utils.murmur2(key) + " " + count + " "
            + BuiltInPartitioner.partitionForKey(key, count));
    }
}
