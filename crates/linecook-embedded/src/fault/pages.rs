//! The pages of a file, in the page cache and on the disk.

use std::collections::{BTreeSet, HashMap};

pub(super) const PAGE: usize = 4096;
const SECTOR: usize = 512;

type Page = Box<[u8; PAGE]>;
type Pages = HashMap<u64, Page>;

#[derive(Default, Clone)]
pub(super) struct Content {
    pub(super) pages: Pages,
    pub(super) length: u64,
    pub(super) durable_pages: Pages,
    pub(super) durable_length: u64,
    /// Pages written since the last sync.
    pub(super) dirty: BTreeSet<u64>,
    /// Pages that a sync is about to make durable.
    pub(super) in_flight: BTreeSet<u64>,
    /// With [`Syncs::Late`]: what the next sync makes durable.
    pub(super) promised: Option<(Pages, u64)>,
}

impl Content {
    pub(super) fn write(&mut self, mut position: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (page, at) = place(position);
            let (now, rest) = bytes.split_at(bytes.len().min(PAGE - at));
            self.pages.entry(page).or_insert_with(zeros)[at..at + now.len()].copy_from_slice(now);
            self.dirty.insert(page);
            position += now.len() as u64;
            bytes = rest;
        }
    }

    pub(super) fn read(&self, mut position: u64, mut buffer: &mut [u8]) {
        while !buffer.is_empty() {
            let (page, at) = place(position);
            let count = buffer.len().min(PAGE - at);
            let (now, rest) = buffer.split_at_mut(count);
            match self.pages.get(&page) {
                Some(page) => now.copy_from_slice(&page[at..at + count]),
                None => now.fill(0),
            }
            position += count as u64;
            buffer = rest;
        }
    }

    pub(super) fn cut(&mut self, length: u64) {
        let (last, at) = place(length);
        self.pages.retain(|page, _| *page <= last);
        if let Some(page) = self.pages.get_mut(&last) {
            page[at..].fill(0);
        }
        self.dirty.extend(self.durable_pages.keys().filter(|page| **page >= last));
        self.dirty.insert(last);
        self.length = length;
    }

    pub(super) fn snapshot(&mut self) -> (Pages, u64) {
        self.in_flight = std::mem::take(&mut self.dirty);
        let pages =
            self.in_flight.iter().map(|page| (*page, self.pages.get(page).cloned().unwrap_or_else(zeros))).collect();
        (pages, self.length)
    }

    pub(super) fn persist(&mut self, (pages, length): (Pages, u64)) {
        self.durable_pages.extend(pages);
        self.durable_length = length;
    }

    pub(super) fn after_power_cut(&self, draw: &mut Draw) -> Self {
        let mut pages = self.durable_pages.clone();
        let changed = self.pages.keys().chain(self.durable_pages.keys()).collect::<BTreeSet<_>>();
        for page in changed {
            let before = self.durable_pages.get(page);
            let now = self.pages.get(page).cloned().unwrap_or_else(zeros);
            if before != Some(&now) {
                pages.insert(*page, draw.page(before, &now));
            }
        }
        let keeps_length = draw.below(2) == 0;
        let length = if keeps_length { self.length } else { self.durable_length };
        let mut content = Self { pages, length, ..Self::default() };
        content.cut(length);
        content.durable_pages = content.pages.clone();
        content.durable_length = length;
        content.dirty.clear();
        content
    }
}

fn place(position: u64) -> (u64, usize) {
    let at = usize::try_from(position % PAGE as u64).expect("less than a page");
    (position / PAGE as u64, at)
}

fn zeros() -> Page {
    Box::new([0; PAGE])
}

/// A small seeded generator (SplitMix64 by Sebastiano Vigna, public domain).
pub(super) struct Draw(pub(super) u64);

impl Draw {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    pub(super) fn page(&mut self, before: Option<&Page>, now: &Page) -> Page {
        let before = before.cloned().unwrap_or_else(zeros);
        match self.below(3) {
            0 => now.clone(),
            1 => before,
            _ => {
                let mut torn = before;
                for sector in (0..PAGE).step_by(SECTOR) {
                    if self.below(2) == 0 {
                        torn[sector..sector + SECTOR].copy_from_slice(&now[sector..sector + SECTOR]);
                    }
                }
                torn
            }
        }
    }
}
