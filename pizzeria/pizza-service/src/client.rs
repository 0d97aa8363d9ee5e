//! `order N`: a client of the HTTP API, for people at a terminal.

use std::{
    fmt,
    io::{ErrorKind, IsTerminal, Write},
    thread,
    time::Duration,
};

use comfy_table::{Table, presets};
use linecook::{
    Command, Invocation, Stop,
    clap::{self, Arg, ArgAction, ArgMatches, value_parser},
};
use pizzeria_events::Pizza;
use serde::Deserialize;
use ureq::{Agent, http::StatusCode};

/// The command.
pub(crate) const ORDER: Command = Command { name: "order", arguments, run };

/// How often the order is asked for while it is waited for.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// For how long a pizzeria that does not answer is asked again for an order that it has taken: a restart takes seconds.
const ASK_AGAIN_FOR: Duration = Duration::from_secs(60);

fn arguments(command: clap::Command) -> clap::Command {
    let count = Arg::new("count").value_name("N").required(true).value_parser(value_parser!(u32));
    let url = Arg::new("url").long("url").value_name("URL");
    let wait = Arg::new("wait").long("wait").action(ArgAction::SetTrue);
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue);
    command
        .about("Orders pizzas from a pizzeria that runs")
        .arg(count.help("How many pizzas"))
        .arg(url.help("Where it answers [default: as data_dir says where one runs, or http_address]"))
        .arg(wait.help("Waits until they are finished, and shows them"))
        .arg(json.help("Prints the answers as they are"))
}

fn run(matches: &ArgMatches, invocation: &Invocation) -> Result<(), Stop> {
    let count = matches.get_one::<u32>("count").copied().unwrap_or(1);
    let url = matches.get_one::<String>("url").cloned();
    let url = url.unwrap_or_else(|| format!("http://{}", invocation.http_address));
    let client = Client::new(&url);
    let show = Show { json: matches.get_flag("json") };
    let placed = client.place(count)?;
    if !matches.get_flag("wait") {
        return show.placed(&placed, &client.url);
    }
    let id = &placed.value.order_id;
    // Whatever happens from here on, the order is known by this.
    tell(&format!("order {id}\n"));
    let order = client.wait_for(id)?;
    show.order(&order)
}

/// What was answered: its text, and what it says.
struct Answer<T> {
    text: String,
    value: T,
}

/// The answer to a POST.
#[derive(Deserialize)]
struct Placed {
    order_id: String,
}

/// The answer to a GET.
#[derive(Deserialize)]
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

/// Why there is no answer to go on with.
enum Failed {
    /// Nothing that could be understood came back.
    NoAnswer(ureq::Error),
    /// Something else than what was asked for.
    Refused(StatusCode, String),
    /// What was asked for, but not as it should be.
    Strange(serde_json::Error),
}

impl Failed {
    /// Whether asking again may help.
    fn may_pass(&self) -> bool {
        match self {
            Self::NoAnswer(error) => !matches!(error, ureq::Error::BadUri(_)),
            Self::Refused(status, _) => *status == StatusCode::SERVICE_UNAVAILABLE,
            Self::Strange(_) => false,
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer(error) => error.fmt(f),
            Self::Refused(status, detail) => write!(f, "{status}: {detail}"),
            Self::Strange(error) => write!(f, "an answer that is no order: {error}"),
        }
    }
}

type Response = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

struct Client {
    url: String,
    agent: Agent,
}

impl Client {
    fn new(url: &str) -> Self {
        let config = Agent::config_builder().timeout_global(Some(ANSWER_WITHIN)).http_status_as_error(false);
        let scheme = if url.contains("://") { "" } else { "http://" };
        Self { url: format!("{scheme}{}", url.trim_end_matches('/')), agent: config.build().into() }
    }

    fn place(&self, count: u32) -> Result<Answer<Placed>, Stop> {
        let response = self.agent.post(format!("{}/order/{count}", self.url)).send_empty();
        answer(response, StatusCode::CREATED).map_err(|failed| match &failed {
            Failed::NoAnswer(ureq::Error::BadUri(_)) => Stop::usage(format!("no URL: {failed}: url={}", self.url)),
            Failed::NoAnswer(error) if is_unreachable(error) => {
                let text = format!("no pizzeria answers at {}: {failed}; start one, or name it with --url", self.url);
                Stop::failed(text)
            }
            // The request was on its way: ordering again may be ordering twice.
            Failed::NoAnswer(_) => {
                let text = format!("no answer from {}: {failed}; the order may have been taken", self.url);
                Stop::failed(text)
            }
            _ => Stop::failed(failed.to_string()),
        })
    }

    /// Asks until the order is ready. A pizzeria that is away, or says that it is busy, is asked again.
    fn wait_for(&self, id: &str) -> Result<Answer<Order>, Stop> {
        let path = format!("{}/order/{id}", self.url);
        let mut progress = Progress::new();
        let mut unanswered = Duration::ZERO;
        loop {
            match answer::<Order>(self.agent.get(&path).call(), StatusCode::OK) {
                Ok(order) => {
                    unanswered = Duration::ZERO;
                    let Order { status, pizzas, count, .. } = &order.value;
                    progress.show(&format!("{status}: {} of {count}", pizzas.len()));
                    if status == "ready" {
                        progress.end();
                        return Ok(order);
                    }
                }
                Err(failed) if failed.may_pass() && unanswered < ASK_AGAIN_FOR => {
                    let is_slow = matches!(failed, Failed::NoAnswer(ureq::Error::Timeout(_)));
                    unanswered += if is_slow { ANSWER_WITHIN } else { ASK_EVERY };
                    progress.show(&format!("asking again: {failed}"));
                }
                Err(failed) => {
                    progress.end();
                    return Err(Stop::failed(format!("{failed}; the order was taken, to see it: curl {path}")));
                }
            }
            thread::sleep(ASK_EVERY);
        }
    }
}

/// Whether the request cannot have arrived.
fn is_unreachable(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::ConnectionFailed | ureq::Error::HostNotFound | ureq::Error::TlsRequired => true,
        // A name that cannot be looked up has no kind of its own.
        ureq::Error::Io(error) => {
            error.kind() == ErrorKind::ConnectionRefused || error.to_string().starts_with("failed to lookup address")
        }
        _ => false,
    }
}

fn answer<T: for<'de> Deserialize<'de>>(response: Response, expected: StatusCode) -> Result<Answer<T>, Failed> {
    let mut response = response.map_err(Failed::NoAnswer)?;
    let status = response.status();
    // An order of 10,000 pizzas has about 1.5 MB.
    let text = response.body_mut().with_config().limit(256 << 20).read_to_string().map_err(Failed::NoAnswer)?;
    if status != expected {
        let detail = serde_json::from_str(&text).map_or(text, |problem: Problem| problem.detail);
        return Err(Failed::Refused(status, detail));
    }
    let value = serde_json::from_str(&text).map_err(Failed::Strange)?;
    Ok(Answer { text, value })
}

/// Beside the answers: nobody may be reading, and that is no error.
fn tell(text: &str) {
    let mut out = std::io::stderr().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

/// A line that shows how far an order is, on a terminal only.
struct Progress {
    is_shown: bool,
    width: usize,
}

impl Progress {
    fn new() -> Self {
        Self { is_shown: std::io::stderr().is_terminal(), width: 0 }
    }

    /// In the place of what was shown before.
    fn show(&mut self, text: &str) {
        if self.is_shown {
            tell(&format!("\r{text:<width$}", width = self.width));
            self.width = text.chars().count();
        }
    }

    fn end(&self) {
        if self.is_shown {
            tell("\n");
        }
    }
}

/// How answers are printed.
struct Show {
    json: bool,
}

impl Show {
    fn placed(&self, placed: &Answer<Placed>, url: &str) -> Result<(), Stop> {
        if self.json {
            return print(&format!("{}\n", placed.text));
        }
        let id = &placed.value.order_id;
        print(&format!("order {id}\nto see it: curl {url}/order/{id}\n"))
    }

    fn order(&self, order: &Answer<Order>) -> Result<(), Stop> {
        if self.json {
            return print(&format!("{}\n", order.text));
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["#", "sauce", "cheese", "meats", "veggies"]);
        for pizza in &order.value.pizzas {
            let number = pizza.number.map_or_else(String::new, |number| number.to_string());
            table.add_row([&number, &pizza.sauce, &pizza.cheese, &pizza.meats, &pizza.veggies]);
        }
        let Order { id, status, .. } = &order.value;
        print(&format!("order {id} is {status}\n{}\n", table.trim_fmt()))
    }
}

/// Whoever reads it may stop reading; that is no error.
fn print(text: &str) -> Result<(), Stop> {
    linecook::print(&text)
}
