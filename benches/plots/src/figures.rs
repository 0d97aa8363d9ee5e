//! What of the results is drawn.

use serde_json::Value;

/// A plot of bars.
#[derive(Debug, PartialEq)]
pub(crate) struct Plot {
    /// Of its file, without what it ends with.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) bars: Vec<Bar>,
}

/// A median, and the best and the worst of all rounds.
#[derive(Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) median: f64,
    pub(crate) best: f64,
    pub(crate) worst: f64,
}

/// The pizzeria on the embedded log beside the bare loop.
pub(crate) fn of_embedded(results: &Value) -> Result<Vec<Plot>, String> {
    let both = |figure: &str, factor: f64| -> Result<Vec<Bar>, String> {
        [("pizzeria", "product"), ("bare loop", "bare")]
            .into_iter()
            .map(|(label, who)| bar(label, &results[who][figure], factor))
            .collect()
    };
    Ok(vec![
        Plot {
            name: "embedded-large-orders",
            title: "Orders of 100 by 8 clients: thousand pizzas a second (more is better)",
            bars: both("pizzas_per_second", 1e-3)?,
        },
        Plot {
            name: "embedded-small-orders",
            title: "Orders of one by 64 clients: thousand orders a second (more is better)",
            bars: both("small_orders_per_second", 1e-3)?,
        },
        Plot {
            name: "embedded-one-order",
            title: "One order at a time: milliseconds until it is ready, p50 (less is better)",
            bars: both("ready_p50_us", 1e-3)?,
        },
    ])
}

/// The stage services on Kafka beside whoever else was measured.
pub(crate) fn of_kafka(results: &Value) -> Result<Vec<Plot>, String> {
    let contenders = results["contenders"].as_array().ok_or("there are no contenders")?;
    let all = |figure: &str, factor: f64| -> Result<Vec<Bar>, String> {
        let bar_of = |it: &Value| bar(it["name"].as_str().unwrap_or("nameless"), &it[figure], factor);
        contenders.iter().map(bar_of).collect()
    };
    Ok(vec![
        Plot {
            name: "kafka-drain",
            title: "Through four stages, exactly once: thousand pizzas a second (more is better)",
            bars: all("pizzas_per_second", 1e-3)?,
        },
        Plot {
            name: "kafka-one-pizza-p50",
            title: "One pizza at a time through four stages: milliseconds, p50 (less is better)",
            bars: all("p50_us", 1e-3)?,
        },
        Plot {
            name: "kafka-one-pizza-p99",
            title: "One pizza at a time through four stages: milliseconds, p99 (less is better)",
            bars: all("p99_us", 1e-3)?,
        },
    ])
}

fn bar(label: &str, spread: &Value, factor: f64) -> Result<Bar, String> {
    let figure = |name: &str| {
        let number = spread[name].as_f64().ok_or_else(|| format!("no such figure: {label} {name}"))?;
        Ok::<_, String>(number * factor)
    };
    Ok(Bar { label: label.to_owned(), median: figure("median")?, best: figure("best")?, worst: figure("worst")? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_contender_has_a_bar_in_each_plot_of_kafka() {
        let spread = json!({ "best": 2000.0, "median": 1000.0, "worst": 500.0 });
        let of = |name| json!({ "name": name, "pizzas_per_second": spread, "p50_us": spread, "p99_us": spread });
        let plots = of_kafka(&json!({ "contenders": [of("services"), of("bare")] })).unwrap();
        assert_eq!(plots.len(), 3);
        for plot in plots {
            let bar = |label: &str| Bar { label: label.to_owned(), median: 1.0, best: 2.0, worst: 0.5 };
            assert_eq!(plot.bars, [bar("services"), bar("bare")], "{}", plot.name);
        }
    }

    #[test]
    fn a_figure_that_is_missing_is_named() {
        assert_eq!(of_embedded(&json!({})), Err("no such figure: pizzeria median".to_owned()));
        assert_eq!(of_kafka(&json!({})), Err("there are no contenders".to_owned()));
    }
}
