//! Pizzas with nothing on them, before the stages run.

use std::time::Duration;

use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer as _},
};

use crate::{
    Result,
    chain::Chain,
    pizza::{Pizza, order_id},
};

const PIZZAS_PER_ORDER: u32 = 10;
const FLUSH_WITHIN: Duration = Duration::from_secs(120);

/// Which order a number belongs to, of so many pizzas.
pub(crate) fn order_of(number: u32, count: u32) -> String {
    order_id(number % count.div_ceil(PIZZAS_PER_ORDER))
}

/// Puts pizzas with the numbers from 0 on into the input.
pub(crate) fn fill(chain: &Chain, count: u32) -> Result<()> {
    let producer = chain.producer(Duration::from_millis(5))?;
    let input = chain.input();
    for number in 0..count {
        send(&producer, &input, &Pizza::ordered(&order_of(number, count), number))?;
    }
    producer.flush(FLUSH_WITHIN)?;
    Ok(())
}

/// Hands a pizza to the producer, when that has room for it.
pub(crate) fn send(producer: &BaseProducer, topic: &str, pizza: &Pizza<'_>) -> Result<()> {
    let value = serde_json::to_vec(pizza)?;
    let mut record = BaseRecord::to(topic).key(pizza.order_id).payload(&value);
    loop {
        producer.poll(Duration::ZERO);
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                record = again;
                producer.poll(Duration::from_millis(50));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}
