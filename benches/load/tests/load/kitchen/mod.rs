//! A pizzeria of a hundred lines: it keeps all promises, unless it is told to break one.

mod routes;

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use load::Target;
use tokio::{net::TcpListener, runtime::Runtime};

/// How a kitchen breaks its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trick {
    None,
    /// Everything is ready at the first look.
    BakesAtOnce,
    LosesTheOrder,
    LosesAPizza,
    ShowsANumberTwice,
    ChangesAPizzaLater,
    TakesAPizzaBack,
    NamesAnotherOrder,
    LeavesTheCheeseOff,
    NeverGetsReady,
    BurnsTheBody,
    ForgetsKeys,
    ForgetsTheLocation,
    ReversesTheNumbers,
    ServesChocolate,
    ClosesEveryConnection,
    /// The first so many requests are answered with 503.
    Refuses(u32),
    AnswersWithAnError,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) orders: HashMap<u64, Entry>,
    pub(crate) by_key: HashMap<String, u64>,
    pub(crate) refused: u32,
}

pub(crate) struct Entry {
    pub(crate) count: u32,
    /// The first finishes half of the pizzas, the second the other half.
    pub(crate) looks: u32,
}

/// What outlives a kill.
pub(crate) struct Stove {
    pub(crate) trick: Trick,
    book: Mutex<Book>,
}

impl Stove {
    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }
}

pub(crate) struct Kitchen {
    pub(crate) stove: Arc<Stove>,
    address: SocketAddr,
    /// Its threads serve; dropping it closes every connection in the middle of whatever it was saying.
    runtime: Option<Runtime>,
}

impl Kitchen {
    pub(crate) fn open(trick: Trick) -> Self {
        Self::open_at((Ipv4Addr::LOCALHOST, 0).into(), trick)
    }

    pub(crate) fn open_at(address: SocketAddr, trick: Trick) -> Self {
        let stove = Arc::new(Stove { trick, book: Mutex::default() });
        let mut kitchen = Self { stove, address, runtime: None };
        kitchen.revive();
        kitchen
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn target(&self) -> Target {
        self.url().parse().unwrap()
    }

    pub(crate) fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(10));
        }
    }

    pub(crate) fn revive(&mut self) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(self.address)).unwrap();
        self.address = listener.local_addr().unwrap();
        let router = routes::router(self.stove.clone());
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        self.runtime = Some(runtime);
    }
}

impl Drop for Kitchen {
    fn drop(&mut self) {
        self.kill();
    }
}
