//! The product as a process.

use std::{
    error::Error,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::Duration,
};

use clap::Args;
use load::{Client, Depth, Menu, Outages, Pace, Patience, PizzaCount, Plan, Target};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::clock;

/// Starting, and becoming ready.
const START_WITHIN: Patience = Patience { limit: Duration::from_secs(30), outages: Outages::RideOut };
/// From SIGTERM to the end of the process.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// What is measured, and where.
#[derive(Args)]
pub(crate) struct Subject {
    /// The product's program (`pizzeria` beside this one)
    #[arg(long, value_name = "FILE")]
    pizzeria: Option<PathBuf>,
    /// Where the temporary folder is made, which is removed at the end
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

impl Subject {
    pub(crate) fn program(&self) -> std::io::Result<PathBuf> {
        program(self.pizzeria.as_deref(), "pizzeria")
    }

    pub(crate) fn folder(&self, prefix: &str) -> std::io::Result<TempDir> {
        tempfile::Builder::new().prefix(prefix).tempdir_in(self.dir.clone().unwrap_or_else(std::env::temp_dir))
    }
}

/// A running product. Dropped, it is killed.
pub(crate) struct Server {
    child: Child,
    pub(crate) target: Target,
    /// What it prints.
    words: PathBuf,
}

impl Server {
    /// Starts it with its data in a folder, which is made if need be.
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let address = free_address()?;
        fs::create_dir_all(folder)?;
        let words = folder.join("pizzeria.log");
        let output = File::options().create(true).append(true).open(&words)?;
        let mut command = Command::new(program);
        command.arg("--data-dir").arg(folder.join("data"));
        command.arg("--http-address").arg(address.to_string());
        command.stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().map_err(|error| format!("cannot start: path={}: {error}", program.display()))?;
        Ok(Self { child, target: format!("http://{address}").parse()?, words })
    }

    /// Orders under load, by clients of which each waits for its acknowledgement before it orders again.
    pub(crate) fn plan(
        &self,
        order_count: Option<u64>,
        pizzas_per_order: u32,
        client_count: u32,
        depth: Depth,
    ) -> Plan {
        Plan {
            target: self.target.clone(),
            order_count,
            duration: None,
            pizzas_per_order: PizzaCount(pizzas_per_order),
            client_count,
            pace: Pace::ClosedLoop,
            depth,
            menu: Menu::Pizzeria,
            patience: Patience::default(),
            journal: None,
        }
    }

    pub(crate) async fn wait_until_ready(&self) -> load::Result<()> {
        Client::new(self.target.clone(), START_WITHIN).wait_until_ready().await
    }

    /// The CPU time that it has used so far, all its threads together.
    pub(crate) fn cpu_time(&self) -> std::io::Result<Duration> {
        bench_report::cpu_time_of(self.child.id())
    }

    /// The most memory that it has had so far, in MiB.
    pub(crate) fn peak_memory_mib(&self) -> Result<f64, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.ok_or_else(|| format!("not what Linux says of a process: {status}"))? / 1024.0)
    }

    /// Asks it to end and waits for that.
    pub(crate) fn stop(mut self) -> Result<(), Box<dyn Error>> {
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

    /// What it printed last, for an error.
    pub(crate) fn last_words(&self) -> String {
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

/// The program that was named, or the one of this name that was built together with this one.
pub(crate) fn program(named: Option<&Path>, name: &str) -> std::io::Result<PathBuf> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => Ok(std::env::current_exe()?.with_file_name(name)),
    }
}
