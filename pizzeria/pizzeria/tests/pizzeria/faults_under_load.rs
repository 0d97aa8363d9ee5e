//! What befalls a machine, while guests order: a disk that fills, a process that stands still.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    audit::Guests,
    http::Client,
    process::{Pizzeria, now, until},
    raw::Raw,
    soak,
};

/// A file system in memory of that size, in a mount namespace of its own: for that nobody has to be root. It is reached
/// through the process that holds the namespace, and goes with it.
struct SmallDisk {
    holder: Child,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(mebibytes: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shown = folder.path().to_str().unwrap();
        let mount =
            format!("mount -t tmpfs -o size={mebibytes}m tmpfs {shown} && touch {shown}/mounted && exec sleep 600");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount]).stdin(Stdio::null());
        let holder = command.spawn().expect("util-linux is installed");
        let path = PathBuf::from(format!("/proc/{}/root{shown}", holder.id()));
        let disk = Self { holder, path, _folder: folder };
        until("the disk is mounted", || disk.path.join("mounted").exists().then_some(()));
        disk
    }

    fn data_dir(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        let mut ballast = File::create(self.path.join("ballast")).unwrap();
        let full = (0..).map(|_| ballast.write_all(&[1; 64 << 10])).find_map(Result::err).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }

    fn make_room(&self) {
        fs::remove_file(self.path.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.holder.kill().ok();
        self.holder.wait().ok();
    }
}

/// What guests were told is so, and each pizza is there once.
fn check(pizzeria: Pizzeria, guests: Guests, data_dir: &Path) {
    let told = guests.stop();
    told.check_over_http(&Client::new(&pizzeria.url)).unwrap();
    pizzeria.stop();
    told.check_raw(&Raw::read(data_dir)).unwrap();
}

#[test]
fn a_disk_that_fills_under_load_costs_nothing_but_time() {
    for _ in soak::rounds() {
        let disk = SmallDisk::mount(96);
        let data_dir = disk.data_dir();
        // The disk is watched once a second; until then it is the file system that says no.
        let pizzeria = Pizzeria::start(&data_dir, &["--reserve-bytes", "4194304"]);
        let guests = Guests::start(4, &pizzeria.url);
        until("there is load", || (guests.acknowledged_count() > 50).then_some(()));
        disk.fill();
        let client = Client::new(&pizzeria.url);
        let refused = until("orders are refused", || client.try_post("/order/1", None).filter(|it| it.status == 503));
        assert!(refused.retry_after.is_some(), "{refused:?}");
        until("it is not ready", || client.try_get("/readyz").filter(|answer| answer.status == 503));
        assert_eq!(client.get("/healthz").status, 200);
        disk.make_room();
        let before = guests.acknowledged_count();
        until("orders are taken again", || (guests.acknowledged_count() > before + 20).then_some(()));
        until("it is ready", || client.try_get("/readyz").filter(|answer| answer.status == 200));
        check(pizzeria, guests, &data_dir);
    }
}

/// In a soak it is still for longer than any of its workers may be: the first of them that goes on puts the others out.
#[test]
fn a_process_that_stands_still_under_load_goes_on() {
    let still = Duration::from_secs(if soak::wanted("SOAK_ROUNDS", 1) > 1 { 63 } else { 3 });
    for _ in soak::rounds() {
        let folder = tempfile::tempdir().unwrap();
        let pizzeria = Pizzeria::start(folder.path(), &["--workers", "2"]);
        let guests = Guests::start(4, &pizzeria.url);
        until("there is load", || (guests.acknowledged_count() > 50).then_some(()));
        pizzeria.signal("STOP");
        thread::sleep(still);
        pizzeria.signal("CONT");
        let (before, began) = (guests.acknowledged_count(), now());
        until("orders are taken again", || (guests.acknowledged_count() > before + 20).then_some(()));
        println!("goes on after {:?}", began.elapsed());
        check(pizzeria, guests, folder.path());
    }
}
