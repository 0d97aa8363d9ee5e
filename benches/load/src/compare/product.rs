//! A run of the product.

use std::{
    error::Error,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::Duration,
};

use load::{Client, Depth, Menu, Outages, Outcome, Pace, Patience, PizzaCount, Plan, Target};
use rustix::process::{Pid, Signal, kill_process};

use super::{Figures, Task};
use crate::{clock, runtime::block_on};

/// Starting, and becoming ready.
const START_WITHIN: Patience = Patience { limit: Duration::from_secs(30), outages: Outages::RideOut };
/// From SIGTERM to the end of the process.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Measures it, and counts the promises that it broke.
pub(super) fn measure(program: &Path, folder: &Path, task: Task) -> Result<(Figures, usize), Box<dyn Error>> {
    let server = Server::start(program, folder)?;
    let outcome = block_on(drive(&server.target, task))?;
    let (single, many) = outcome.map_err(|error| format!("{error}\n{}", server.last_words()))?;
    server.stop()?;
    let figures = Figures {
        pizzas_per_second: many.report.pizzas_per_second,
        acknowledged_p50_us: single.report.acknowledged.p50_us,
        acknowledged_p99_us: single.report.acknowledged.p99_us,
        ready_p50_us: single.report.ready.p50_us,
        ready_p99_us: single.report.ready.p99_us,
    };
    Ok((figures, single.findings.count() + many.findings.count()))
}

/// The same in the same order as the bare loop: single orders first.
async fn drive(target: &Target, task: Task) -> load::Result<(Outcome, Outcome)> {
    Client::new(target.clone(), START_WITHIN).wait_until_ready().await?;
    let single = load::run(Plan {
        order_count: Some(task.single_orders),
        pizzas_per_order: PizzaCount(1),
        client_count: 1,
        ..plan(target)
    });
    let single = single.await?;
    let many = load::run(Plan {
        order_count: Some(task.order_count()),
        pizzas_per_order: PizzaCount(task.pizzas_per_order),
        client_count: task.clients,
        ..plan(target)
    });
    Ok((single, many.await?))
}

fn plan(target: &Target) -> Plan {
    Plan {
        target: target.clone(),
        order_count: None,
        duration: None,
        pizzas_per_order: PizzaCount(1),
        client_count: 1,
        pace: Pace::ClosedLoop,
        depth: Depth::Sample,
        menu: Menu::Pizzeria,
        patience: Patience::default(),
        journal: None,
    }
}

/// A running product. Dropped, it is killed.
struct Server {
    child: Child,
    target: Target,
    /// What it prints.
    words: PathBuf,
}

impl Server {
    fn start(program: &Path, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let address = free_address()?;
        let words = folder.join("pizzeria.log");
        let output = File::create(&words)?;
        let mut command = Command::new(program);
        command.arg("--data-dir").arg(folder.join("pizzeria-data"));
        command.arg("--http-address").arg(address.to_string());
        command.stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().map_err(|error| format!("cannot start: path={}: {error}", program.display()))?;
        Ok(Self { child, target: format!("http://{address}").parse()?, words })
    }

    /// Asks it to end and waits for that.
    fn stop(mut self) -> Result<(), Box<dyn Error>> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let deadline = clock::now() + STOP_WITHIN;
        while clock::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                let last_words = self.last_words();
                return if status.success() {
                    Ok(())
                } else {
                    Err(format!("it ended with {status}\n{last_words}").into())
                };
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(format!("it does not end: seconds={}", STOP_WITHIN.as_secs()).into())
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.words).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that was free a moment ago; the product prints which one it takes, but not in a form to rely on.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
