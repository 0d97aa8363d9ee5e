# What people run; `just check` is what CI runs.

# Each service of the pizzeria as a program of its own; and those between two topics.
services := "--package '*-service' --package cheese-reporter"
stages := "--package sauce-service --package cheese-service --package meat-service --package veggie-service"

# Format, lints, tests, and the README's own commands.
check:
    bash .ci/run

# Everything that can be tested without a broker.
test:
    cargo test --workspace

# The pizzeria, all services in one process.
run *arguments:
    cargo run --release -- {{arguments}}

# A Kafka to try things with, on 127.0.0.1:9092. Needs Java 17 or newer, and Maven the first time.
kafka-up *arguments:
    cargo run --quiet --package kafka-broker --bin kafka-broker -- {{arguments}}

# The services of the pizzeria on that Kafka, each a process of its own. Ctrl-c ends them all.
services *arguments:
    cargo build --release --features kafka {{services}}
    cargo run --quiet --package kafka-broker --bin services -- {{arguments}}

# Everything that is tested on a real Kafka, which is started for it. Needs Java 17 or newer, Maven and Python 3.
kafka-test *arguments:
    bash .ci/kafka {{arguments}}

# Kills any one of six processes on Kafka at random moments under load, 10 times, and reads every topic afterwards.
# Nothing else may run: each has to go on within 2 seconds.
kafka-kill-test rounds="10":
    cargo build --release --features kafka {{services}}
    QUIET_MACHINE=1 KILL_ROUNDS={{rounds}} cargo test --release --features kafka -p pizzeria --test kafka -- --nocapture kill::

# 300,000 pizzas that were there before go through four processes, with kills and rebalances on the way, each once.
kafka-drain-test pizzas="300000" kills="5":
    cargo build --release --features kafka {{services}}
    DRAIN_PIZZAS={{pizzas}} DRAIN_KILLS={{kills}} cargo test --release --features kafka -p pizzeria --test kafka -- --nocapture drain::

# The connection between six processes and Kafka is cut for 30 seconds under load.
kafka-outage-test seconds="30":
    cargo build --features kafka {{services}}
    OUTAGE_SECONDS={{seconds}} cargo test --features kafka -p pizzeria --test kafka -- --nocapture broker_gone::

# Feeds everything that reads what others wrote with inputs that nobody thought of: `just fuzz batch --seconds 600`.
fuzz *arguments:
    cargo run --release -p fuzz -- {{arguments}}

# What may happen to the pizzeria, by seeds, until one is broken: `just simulate --seeds 10000`, `just simulate --seed 7`.
simulate *arguments:
    cargo run --release -p simulation -- {{arguments}}

# Real faults under load, so many rounds each: kill -9, processes that stand still, disks that fill, dead letters redriven by
# who is killed; on Kafka also brokers that go, and connections that are slow and cut. Nothing else may run.
soak rounds="20":
    cargo build --release --features kafka {{services}}
    KILL_ROUNDS={{rounds}} SOAK_ROUNDS={{rounds}} cargo test --release -p pizzeria --test pizzeria -- --nocapture --test-threads 1 kill:: faults_under_load:: redrive::poisoned
    KILL_ROUNDS={{rounds}} SOAK_ROUNDS={{rounds}} POISON_ORDERS=10000 cargo test --release --features kafka -p pizzeria --test kafka -- --nocapture --test-threads 1 kill:: broker_gone:: faults_under_load:: redrive::

# A steady load for half an hour, with 60 kills: nothing is lost, and neither memory nor the directory grows.
steady seconds="1800" pizzas="5000" kills="60":
    STEADY_SECONDS={{seconds}} STEADY_PIZZAS_A_SECOND={{pizzas}} STEADY_KILLS={{kills}} cargo test --release -p pizzeria --test pizzeria -- --nocapture steady::

# Kills the pizzeria at random moments under load, 20 times, and reads every topic afterwards.
kill-test rounds="20":
    KILL_ROUNDS={{rounds}} cargo test --release -p pizzeria --test pizzeria -- --nocapture kill

# Cuts the power of a simulated disk at random moments under load, 500 times.
power-test rounds="500":
    POWER_ROUNDS={{rounds}} cargo test --release -p pizzeria --test pizzeria -- --nocapture power

# Latency, latency and throughput on a disk whose syncs take 5 ms, and the end under load, against their bounds. Nothing
# else may run.
latency:
    QUIET_MACHINE=1 cargo test --release -p pizzeria --test pizzeria -- --nocapture --test-threads 1 slow_disk ready_soon ends_well_and_soon

# The pizzeria against our own bare loop, in turn, five times each. Nothing else may run.
bench *arguments:
    cargo build --release -p pizzeria -p load -p bare
    target/release/load compare {{arguments}}

# How soon the pizzeria takes orders: new, and killed with 1 GiB of data.
bench-start *arguments:
    cargo build --release -p pizzeria -p load
    target/release/load start {{arguments}}

# The four stage services on Kafka against our own bare loop and Kafka Streams, in turn, on a broker of their own: Streams
# with its defaults, which drain most, and committing every millisecond, which is soonest with one pizza (`just bench-long`).
# Nothing else may run.
bench-kafka *arguments:
    cargo build --release --features kafka {{stages}} --package bare --package kafka-load
    target/release/kafka-load compare --streams defaults --streams "commit.interval.ms=1 poll.ms=1 producer.linger.ms=0" {{arguments}}

# What an order costs, and how long a look at one takes, with ten million stored: a quarter of an hour.
bench-growth *arguments:
    cargo build --release -p pizzeria -p load
    target/release/load growth {{arguments}}

# What takes hours: that, and Kafka Streams with each commit interval and number of threads, so that it is its best row that
# we are measured against.
bench-long: (bench-growth "--json" "benches/results/growth.json")
    cargo build --release --features kafka {{stages}} --package bare --package kafka-load
    target/release/kafka-load compare --rounds 3 --streams-sweep --json benches/results/kafka-long.json

# Draws the results in benches/results for docs/performance.md.
plots:
    cargo run --quiet -p plots -- benches/results docs/performance

# Times each small thing that is done for every record.
bench-micro *arguments:
    cargo bench -p micro -- {{arguments}}

# Counts the instructions and allocations of the same, and compares them with the baseline. Needs valgrind.
gate what="check" *arguments:
    cargo build --release -p gate
    target/release/gate {{what}} {{arguments}}
