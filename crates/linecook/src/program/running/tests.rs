use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Instant,
};

use axum::{http::StatusCode, routing::post};
use linecook_log::{Error, ErrorKind, SystemClock};

use super::*;
use crate::{Definition, Topic, http::Edge, testing::ScriptedLog};

const WORDS: Topic<String, String> = Topic::new("words");
const SHOUTED: Topic<String, String> = Topic::new("shouted");
const SHOUTER: Definition = Definition::new("shouter", 0, |service| {
    service.stage(WORDS, SHOUTED, |word, _| Ok(word.to_uppercase()));
    service.produces(WORDS);
    service.http(|edge: &Edge| {
        let producer = Arc::new(edge.producer(&WORDS));
        let say = async move || match producer.append(&"a".to_owned(), &"word".to_owned()) {
            Ok(_) => StatusCode::CREATED,
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        axum::Router::new().route("/words", post(say))
    });
});

fn try_start(log: &ScriptedLog, flags: &[(&str, &str)]) -> Result<Running, Stop> {
    let flags = [("http-address", "127.0.0.1:0")].iter().chain(flags);
    let settings = Sources::new().with_flags(flags.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Running::start(&SHOUTER.into(), settings, Arc::new(log.clone()), Arc::new(SystemClock::new()))
}

fn start(log: &ScriptedLog) -> Running {
    try_start(log, &[]).unwrap()
}

fn log() -> ScriptedLog {
    ScriptedLog::with_topics(&["words", "shouted", "shouter.dead-letters", "shouter.words.control"])
}

/// A log that cannot be used for so many attempts.
fn log_that_is_away(attempts: usize) -> ScriptedLog {
    let log = log();
    let away = || Error::new(ErrorKind::Unavailable, "no broker answers: servers=localhost:1");
    log.0.lock().create_errors.extend((0..attempts).map(|_| away()));
    log
}

/// More than any test waits for.
const FOR_EVER: usize = 1_000;

/// An answer with its head.
fn ask(running: &Running, method: &str, path: &str) -> String {
    answer_on(&mut TcpStream::connect(running.address()).unwrap(), method, path, "close")
}

fn answer_on(stream: &mut TcpStream, method: &str, path: &str, connection: &str) -> String {
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\nContent-Length: 0\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    // To the end of the body where the connection is closed, else to that of the head.
    while stream.read(&mut byte).unwrap() == 1 {
        answer.push(byte[0]);
        if connection != "close" && answer.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
}

fn wait_for(running: &Running, is_it: impl Fn(&Progress) -> bool + Send) -> Progress {
    let mut progress = running.progress();
    running.server.wait_for(async move {
        let reached = tokio::time::timeout(Duration::from_secs(30), progress.wait_for(is_it)).await;
        reached.expect("it is told in time").expect("somebody tells").clone()
    })
}

/// Why it ends by itself, be it before or after it has started.
fn over(log: &ScriptedLog, flags: &[(&str, &str)]) -> Stop {
    let running = match try_start(log, flags) {
        Ok(running) => running,
        Err(why) => return why,
    };
    let progress = wait_for(&running, |progress| matches!(progress, Progress::Over(_)));
    running.stop().unwrap();
    match progress {
        Progress::Over(why) => why,
        other => panic!("it is not over: {other:?}"),
    }
}

/// The process ended when the broker was not there first, and whoever had started both had to start it again.
#[test]
fn while_the_log_is_away_health_answers_and_everything_else_says_that_nothing_was_stored() {
    let running = start(&log_that_is_away(FOR_EVER));
    assert!(ask(&running, "GET", "/healthz").starts_with("HTTP/1.1 200"));
    assert!(ask(&running, "GET", "/metrics").starts_with("HTTP/1.1 200"));
    let unready = ask(&running, "GET", "/readyz");
    assert!(unready.starts_with("HTTP/1.1 503") && unready.contains("servers=localhost:1"), "{unready}");
    for path in ["/words", "/anything"] {
        let refused = ask(&running, "POST", path);
        assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after: 1"), "{refused}");
        assert!(refused.contains("application/problem+json") && refused.contains("nothing was stored"), "{refused}");
        assert!(refused.contains("no broker answers"), "{refused}");
    }
    let unread = ask(&running, "GET", "/words");
    assert!(unread.starts_with("HTTP/1.1 503") && !unread.contains("nothing was stored"), "{unread}");
    assert!(ask(&running, "POST", "/healthz").starts_with("HTTP/1.1 405"));
    running.stop().unwrap();
}

#[test]
fn when_the_log_is_there_the_services_come_up_under_connections_that_are_open() {
    let running = start(&log_that_is_away(2));
    let mut connection = TcpStream::connect(running.address()).unwrap();
    wait_for(&running, |progress| matches!(progress, Progress::Up { partition_count: 2 }));
    assert!(answer_on(&mut connection, "POST", "/words", "keep-alive").starts_with("HTTP/1.1 201"));
    let wrong = ask(&running, "GET", "/words");
    assert!(wrong.starts_with("HTTP/1.1 405") && wrong.contains("allow: POST"), "{wrong}");
    assert!(ask(&running, "POST", "/anything").starts_with("HTTP/1.1 404"));
    let unready = ask(&running, "GET", "/readyz");
    assert!(unready.contains("owns no partition yet") && !unready.contains("starting"), "{unready}");
    running.stop().unwrap();
}

#[test]
fn it_ends_at_once_while_it_is_still_trying() {
    let log = log_that_is_away(FOR_EVER);
    let running = start(&log);
    // After the fourth attempt the pause is 0.8 s.
    while log.0.lock().create_errors.len() > FOR_EVER - 4 {
        thread::park_timeout(Duration::from_millis(5));
    }
    let begun = now();
    running.stop().unwrap();
    assert!(begun.elapsed() < Duration::from_millis(600), "{:?}", begun.elapsed());
}

#[expect(clippy::disallowed_methods, reason = "how long the end takes in real time is what is tested")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn what_a_log_refuses_at_the_start_ends_the_program_and_is_not_tried_again() {
    for (kind, code) in [(ErrorKind::Invalid, 2), (ErrorKind::Corrupt, 2), (ErrorKind::Full, 2), (ErrorKind::Fenced, 3)]
    {
        let log = log();
        log.0.lock().create_errors.push_back(Error::new(kind, "the password is wrong: sasl.username=cook"));
        let stop = try_start(&log, &[]).err().unwrap();
        assert_eq!(stop.code(), code, "{kind:?}");
        assert!(stop.message().contains("sasl.username=cook"), "{}", stop.message());
    }
    let log = log_that_is_away(1);
    log.0.lock().create_errors.push_back(Error::invalid("no right to create a topic: topic=words"));
    assert_eq!(over(&log, &[]).code(), 2);
}

#[test]
fn topics_that_do_not_fit_together_end_the_program_with_both_counts() {
    let log = log();
    log.0.lock().topics.insert(SHOUTED.log_name(), 3);
    let stop = try_start(&log, &[]).err().unwrap();
    assert_eq!(stop.code(), 2);
    assert!(stop.message().contains("words=2 shouted=3"), "{}", stop.message());
}

/// Another process has the name and the partitions; this one would have gone on without any work to do.
#[test]
fn a_worker_that_was_replaced_ends_the_program_whichever_it_is() {
    let log = log();
    log.0.lock().polls.push_back(Err(Error::new(ErrorKind::Fenced, "another has this name")));
    let stop = over(&log, &[("workers", "3")]);
    assert_eq!((stop.code(), stop.message().contains("another has this name")), (3, true));
    assert!(stop.message().contains("--instance"), "{}", stop.message());
}

/// Its thread ended, and a process without work lived on.
#[test]
fn a_worker_that_the_log_does_not_let_in_ends_the_program() {
    let log = log();
    log.0.lock().join_errors.push_back(Error::invalid("no right on a transactional id: transactional.id=shouter-1"));
    let stop = over(&log, &[]);
    assert_eq!(stop.code(), 2);
    assert!(stop.message().contains("transactional.id=shouter-1"), "{}", stop.message());
}

/// To wait for its own runtime, or to drop it, panics on a thread of another one.
#[test]
fn it_is_started_and_ended_within_another_runtime() {
    let outside = tokio::runtime::Builder::new_current_thread().build().unwrap();
    outside.block_on(async {
        start(&log()).stop().unwrap();
        drop(start(&log()));
    });
}
