"""What a program in another language does at the pizzeria: plain librdkafka, `json.dumps`, no headers, and the partitions
that librdkafka chooses. See `python.rs` for who calls it.

    foreign.py read SERVERS TOPIC...            every committed record: topic, tab, value
    foreign.py watch SERVERS TOPIC...           topic, tab, how many records came just now, from now on and for ever
    foreign.py topics SERVERS NAME=COUNT...     makes topics of so many partitions; NAME=COUNT,BYTES of records no larger
    foreign.py delete SERVERS TOPIC...          deletes topics, and waits until they are gone
    foreign.py fill SERVERS ORDERS PIZZAS       orders of so many pizzas each into `orders`, and these into `pizza`
    foreign.py large SERVERS BYTES              a pizza of each of two orders into `pizza`, the first with so much on it
    foreign.py stage SERVERS FIELD SOURCE SINK  takes the place of a service that puts something on pizzas
    foreign.py order SERVERS ORDERS PIZZAS      takes the place of the pizza-service: orders, and waits until all are there
    foreign.py count SERVERS PIZZAS             takes the place of the cheese-reporter: counts until that many were seen
    foreign.py waiting SERVERS GROUP...         open transactions, and what these groups have not consumed
"""

import json
import signal
import sys
import time
from collections import Counter

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

PATIENCE = 60
SERVICES = {"sauce": "sauce-service", "cheese": "cheese-service", "meats": "meat-service", "veggies": "veggie-service"}


def consumer(servers, group, **more):
    return Consumer({"bootstrap.servers": servers, "group.id": group, "auto.offset.reset": "earliest", **more})


def partitions(client, topics):
    """All partitions of topics that may yet have to be made."""
    deadline = time.monotonic() + PATIENCE
    while True:
        known = client.list_topics(timeout=10).topics
        if all(topic in known and known[topic].partitions for topic in topics):
            return [(topic, partition) for topic in topics for partition in known[topic].partitions]
        assert time.monotonic() < deadline, f"no such topics: {sorted(set(topics) - set(known))}"
        time.sleep(0.05)


def values(messages):
    for message in messages:
        if message.error() is None:
            yield message
        elif message.error().code() not in (KafkaError._PARTITION_EOF, KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
            print(message.error(), file=sys.stderr)


def read(servers, *topics):
    """Waits until transactions are over that were left open: up to the end as it is for who reads everything."""
    reader = consumer(servers, "reader", **{"enable.auto.commit": False})
    everything = consumer(servers, "reader", **{"isolation.level": "read_uncommitted"})
    at = [TopicPartition(topic, partition, OFFSET_BEGINNING) for topic, partition in partitions(reader, topics)]
    ends = {(one.topic, one.partition): everything.get_watermark_offsets(one, timeout=10)[1] for one in at}
    reader.assign(at)
    out = sys.stdout.buffer
    deadline = time.monotonic() + PATIENCE
    while True:
        messages = reader.consume(10_000, timeout=0.1)
        for message in values(messages):
            out.write(message.topic().encode() + b"\t" + message.value() + b"\n")
        if messages:
            deadline = time.monotonic() + PATIENCE
        elif all(one.offset >= ends[one.topic, one.partition] or ends[one.topic, one.partition] == 0 for one in reader.position(at)):
            return
        assert time.monotonic() < deadline, f"stuck at {reader.position(at)} before {ends}"


def watch(servers, *topics):
    watcher = consumer(servers, "watcher", **{"enable.auto.commit": False})
    at = [TopicPartition(topic, partition, OFFSET_END) for topic, partition in partitions(watcher, topics)]
    for one in at:
        one.offset = watcher.get_watermark_offsets(one, timeout=10)[1]
    watcher.assign(at)
    print("watching", flush=True)
    while True:
        for topic, count in Counter(message.topic() for message in values(watcher.consume(10_000, timeout=0.01))).items():
            print(topic, count, sep="\t", flush=True)


def topics(servers, *counts):
    def new_topic(name, asked):
        count, *most_bytes = asked.split(",")
        return NewTopic(name, int(count), 1, config={"max.message.bytes": it for it in most_bytes})

    new = [new_topic(*one.split("=")) for one in counts]
    admin = AdminClient({"bootstrap.servers": servers})  # its answers come only while it is there
    for made in admin.create_topics(new).values():
        made.result()


def delete(servers, *topics):
    admin = AdminClient({"bootstrap.servers": servers})
    for deleted in admin.delete_topics(list(topics)).values():
        deleted.result()
    deadline = time.monotonic() + PATIENCE
    while set(topics) & set(admin.list_topics(timeout=10).topics):
        assert time.monotonic() < deadline, f"still there: {topics}"
        time.sleep(0.05)


def ordered(orders, pizzas):
    """The records of so many orders: as a program writes them that knows only what the article says."""
    first = time.time_ns()
    for order in range(int(orders)):
        order_id = str(first + order)
        for number in range(1, int(pizzas) + 1):
            pizza = {"order_id": order_id, "sauce": "", "cheese": "", "meats": "", "veggies": "", "number": number}
            yield order_id, number, json.dumps(pizza)


def send(producer, topic, key, value):
    while True:
        try:
            return producer.produce(topic, key=key, value=value, on_delivery=must_be_delivered)
        except BufferError:
            producer.poll(0.1)


def must_be_delivered(error, _message):
    if error is not None:
        sys.exit(f"not delivered: {error}")


def fill(servers, orders, pizzas):
    producer = Producer({"bootstrap.servers": servers})
    for order_id, number, pizza in ordered(orders, pizzas):
        if number == 1:
            send(producer, "orders", order_id, json.dumps({"order_id": order_id, "count": int(pizzas)}))
        send(producer, "pizza", order_id, pizza)
        producer.poll(0)
    producer.flush()


def large(servers, size):
    producer = Producer({"bootstrap.servers": servers})
    for index, (order_id, _, pizza) in enumerate(ordered(2, 1)):
        if index == 0:
            pizza = json.dumps({**json.loads(pizza), "veggies": "x" * int(size)})
        send(producer, "pizza", order_id, pizza)
    producer.flush()


def stage(servers, field, source, sink):
    """One pizza after the other. Asked to end, it finishes what it has: what was sent before is what it has read."""
    asked_to_end = []
    signal.signal(signal.SIGTERM, lambda *_: asked_to_end.append(True))
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 5})
    pizzas = consumer(servers, SERVICES[field])
    partitions(pizzas, [source, sink])
    pizzas.subscribe([source], on_assign=lambda _, assigned: print("has", len(assigned), flush=True))
    while not asked_to_end:
        for message in values(pizzas.consume(100, timeout=0.05)):
            pizza = json.loads(message.value())
            pizza[field] = f"foreign {field}"
            send(producer, sink, message.key(), json.dumps(pizza))
        producer.poll(0)
    producer.flush()
    pizzas.close()


def order(servers, orders, pizzas):
    finished = consumer(servers, "pizza-service")
    finished.subscribe(["pizza-with-veggies"])
    producer = Producer({"bootstrap.servers": servers})
    waiting = set()
    for order_id, number, pizza in ordered(orders, pizzas):
        waiting.add((order_id, number))
        send(producer, "pizza", order_id, pizza)
    producer.flush()
    deadline = time.monotonic() + PATIENCE
    while waiting:
        for message in values(finished.consume(1000, timeout=0.1)):
            pizza = json.loads(message.value())
            assert all(pizza[field] for field in SERVICES), f"something is not on it: {pizza}"
            waiting.remove((pizza["order_id"], pizza["number"]))  # fails for one that comes twice
        assert time.monotonic() < deadline, f"{len(waiting)} pizzas are not finished"
    finished.close()
    print("all are there", flush=True)


def count(servers, pizzas):
    made = consumer(servers, "cheese-reporter")
    made.subscribe(["pizza-with-cheese"])
    report = Counter()
    deadline = time.monotonic() + PATIENCE
    while report.total() < int(pizzas):
        report.update(json.loads(message.value())["cheese"] for message in values(made.consume(1000, timeout=0.1)))
        assert time.monotonic() < deadline, f"seen {report.total()} of {pizzas}"
    made.close()
    print(json.dumps(report))


def waiting(servers, *groups):
    """What somebody waits for: transactions that are open, and records that a group has not consumed."""
    admin = AdminClient({"bootstrap.servers": servers})
    topics = admin.list_topics(timeout=10).topics
    every = [TopicPartition(name, number) for name, topic in topics.items() for number in topic.partitions]

    def ends(isolation):
        asked = {partition: OffsetSpec.latest() for partition in every}
        found = admin.list_offsets(asked, isolation_level=isolation, request_timeout=10)
        return {(at.topic, at.partition): found.result().offset for at, found in found.items()}

    stored, stable = ends(IsolationLevel.READ_UNCOMMITTED), ends(IsolationLevel.READ_COMMITTED)
    for at in stored:
        if stable[at] < stored[at]:
            print("open transaction", at, "from", stable[at], "to", stored[at])
    for group in groups:
        found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        for partition in found[group].result().topic_partitions:
            at = (partition.topic, partition.partition)
            if partition.offset < stored.get(at, 0):
                print(group, at, "has consumed up to", partition.offset, "of", stored[at])


if __name__ == "__main__":
    tasks = (read, watch, topics, delete, fill, large, stage, order, count, waiting)
    {task.__name__: task for task in tasks}[sys.argv[1]](*sys.argv[2:])
