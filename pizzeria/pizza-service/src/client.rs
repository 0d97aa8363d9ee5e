//! `order N`: a client of the HTTP API, for people at a terminal.

use std::{
    io::{IsTerminal, Write},
    thread,
    time::Duration,
};

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use comfy_table::{Table, presets};
use linecook::{Command, Invocation, Stop};
use pizzeria_events::Pizza;
use serde::{Deserialize, Serialize};
use ureq::{Agent, http::StatusCode};

/// The command.
pub(crate) const ORDER: Command = Command { name: "order", arguments, run };

/// How often the order is asked for while it is waited for.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

fn arguments(command: clap::Command) -> clap::Command {
    let count = Arg::new("count").value_name("N").required(true).value_parser(value_parser!(u32));
    let url = Arg::new("url").long("url").value_name("URL");
    let wait = Arg::new("wait").long("wait").action(ArgAction::SetTrue);
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue);
    command
        .about("Orders pizzas from a pizzeria that runs")
        .arg(count.help("How many pizzas"))
        .arg(url.help("Where it answers [default: http_address]"))
        .arg(wait.help("Waits until they are finished, and shows them"))
        .arg(json.help("Prints the answers as they are"))
}

fn run(matches: &ArgMatches, invocation: &Invocation) -> Result<(), Stop> {
    let count = matches.get_one::<u32>("count").copied().unwrap_or(1);
    let url = matches.get_one::<String>("url").cloned();
    let url = url.unwrap_or_else(|| format!("http://{}", invocation.http_address));
    let client = Client::new(url.trim_end_matches('/').to_owned());
    let show = Show { json: matches.get_flag("json") };
    let placed = client.place(count)?;
    if !matches.get_flag("wait") {
        return show.placed(&placed, &client.url);
    }
    let order = client.wait_for(&placed.order_id)?;
    show.order(&order)
}

/// The answer to a POST.
#[derive(Deserialize, Serialize)]
struct Placed {
    order_id: String,
}

/// The answer to a GET.
#[derive(Deserialize, Serialize)]
struct Order {
    id: String,
    count: u32,
    status: String,
    pizzas: Vec<Pizza>,
}

/// The part of a problem that a person is told.
#[derive(Deserialize)]
struct Problem {
    detail: String,
}

struct Client {
    url: String,
    agent: Agent,
}

impl Client {
    fn new(url: String) -> Self {
        let config = Agent::config_builder().timeout_global(Some(ANSWER_WITHIN)).http_status_as_error(false);
        Self { url, agent: config.build().into() }
    }

    fn place(&self, count: u32) -> Result<Placed, Stop> {
        let path = format!("/order/{count}");
        self.answer(self.agent.post(format!("{}{path}", self.url)).send_empty(), StatusCode::CREATED)
    }

    fn wait_for(&self, id: &str) -> Result<Order, Stop> {
        let progress = Progress::new();
        loop {
            let order: Order =
                self.answer(self.agent.get(format!("{}/order/{id}", self.url)).call(), StatusCode::OK)?;
            progress.show(&order);
            if order.status == "ready" {
                progress.end();
                return Ok(order);
            }
            thread::sleep(ASK_EVERY);
        }
    }

    fn answer<T: for<'de> Deserialize<'de>>(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
        expected: StatusCode,
    ) -> Result<T, Stop> {
        let unreachable = |error: ureq::Error| {
            Stop::failed(format!("no pizzeria answers at {}: {error}; start one, or name it with --url", self.url))
        };
        let mut response = response.map_err(unreachable)?;
        let status = response.status();
        // An order of 10,000 pizzas has about 1.5 MB.
        let text = response.body_mut().with_config().limit(256 << 20).read_to_string().map_err(unreachable)?;
        if status != expected {
            let detail = serde_json::from_str(&text).map_or(text, |problem: Problem| problem.detail);
            return Err(Stop::failed(format!("{status}: {detail}")));
        }
        serde_json::from_str(&text).map_err(|error| Stop::failed(format!("an answer that is no order: {error}")))
    }
}

/// A line that shows how far an order is, on a terminal only.
struct Progress {
    is_shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal() }
    }

    fn show(&self, order: &Order) {
        if self.is_shown {
            let mut out = std::io::stderr().lock();
            write!(out, "\r{}: {} of {}", order.status, order.pizzas.len(), order.count)
                .and_then(|()| out.flush())
                .ok();
        }
    }

    fn end(&self) {
        if self.is_shown {
            writeln!(std::io::stderr().lock()).ok();
        }
    }
}

/// How answers are printed.
struct Show {
    json: bool,
}

impl Show {
    fn placed(&self, placed: &Placed, url: &str) -> Result<(), Stop> {
        if self.json {
            return print_json(placed);
        }
        let id = &placed.order_id;
        print(&format!("order {id}\nto see it: curl {url}/order/{id}\n"))
    }

    fn order(&self, order: &Order) -> Result<(), Stop> {
        if self.json {
            return print_json(order);
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["#", "sauce", "cheese", "meats", "veggies"]);
        for pizza in &order.pizzas {
            let number = pizza.number.map_or_else(String::new, |number| number.to_string());
            table.add_row([&number, &pizza.sauce, &pizza.cheese, &pizza.meats, &pizza.veggies]);
        }
        print(&format!("order {} is {}\n{}\n", order.id, order.status, table.trim_fmt()))
    }
}

fn print_json(answer: &impl Serialize) -> Result<(), Stop> {
    let text = serde_json::to_string(answer).map_err(|error| Stop::failed(error.to_string()))?;
    print(&format!("{text}\n"))
}

/// Whoever reads it may stop reading; that is no error.
fn print(text: &str) -> Result<(), Stop> {
    linecook::print(&text)
}
