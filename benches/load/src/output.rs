//! What is printed, and the exit code.
#![expect(clippy::print_stdout, reason = "the figures and the findings are what this program is for")]

use std::{error::Error, path::Path, process::ExitCode};

use load::{Findings, Outcome, Report, Setbacks, Verdict};
use serde::Serialize;

#[derive(Serialize)]
struct RunFile<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(flatten)]
    findings: FindingLines,
}

#[derive(Serialize)]
struct AuditFile {
    audited_count: usize,
    setbacks: Setbacks,
    #[serde(flatten)]
    findings: FindingLines,
}

#[derive(Serialize)]
struct FindingLines {
    finding_count: usize,
    findings: Vec<String>,
}

pub(crate) fn run(outcome: &Outcome, json: Option<&Path>) -> Result<ExitCode, Box<dyn Error>> {
    println!("{}", outcome.report);
    write(json, &RunFile { report: &outcome.report, findings: lines(&outcome.findings) })?;
    Ok(verdict(&outcome.findings))
}

pub(crate) fn audit(order_count: usize, verdict: &Verdict, json: Option<&Path>) -> Result<ExitCode, Box<dyn Error>> {
    println!("audited         {order_count} orders");
    let findings = lines(&verdict.findings);
    write(json, &AuditFile { audited_count: order_count, setbacks: verdict.setbacks, findings })?;
    Ok(self::verdict(&verdict.findings))
}

/// The error and what lies below it, on one line.
pub(crate) fn failure(error: &(dyn Error + 'static)) -> ExitCode {
    let chain = std::iter::successors(Some(error), |error| (*error).source());
    let text: Vec<String> = chain.map(ToString::to_string).collect();
    eprintln!("load: {}", text.join(": "));
    ExitCode::from(2)
}

fn verdict(findings: &Findings) -> ExitCode {
    print!("{findings}");
    if findings.is_empty() {
        println!("findings        none");
        ExitCode::SUCCESS
    } else {
        println!("findings        {}", findings.count());
        ExitCode::from(1)
    }
}

fn lines(findings: &Findings) -> FindingLines {
    let kept = findings.iter().map(ToString::to_string).collect();
    FindingLines { finding_count: findings.count(), findings: kept }
}

pub(crate) fn write(path: Option<&Path>, content: &impl Serialize) -> Result<(), Box<dyn Error>> {
    Ok(path.map_or(Ok(()), |path| bench_report::write(path, content))?)
}
