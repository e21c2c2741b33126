//! VMIS-kNN: neighbours of the session in progress among recent sessions, and the items that these hold.
//!
//! As published (Kersbergen, Sprangers & Schelter 2022, after VS-kNN of Ludewig & Jannach 2018):
//!
//! 1. Of the session's last `max_session_length` items each distinct one has the place of its latest occurrence.
//! 2. Among all sessions that share an item the `sample_size` that ended last are compared. Their similarity is the sum
//!    of the shared items' weights by place (`weighting`), divided by the number of distinct items.
//! 3. The `top_k` most similar ones vote (in case of ties, the one that ended last comes first). A neighbour gives each of its
//!    items its similarity times a weight by how long ago the latest shared item was (`weighting_score`).
//! 4. The votes for an item are multiplied by `1 + idf_weighting · ln(sessions / sessions with the item)`.
//!
//! Departures: weights by `linear` end at zero instead of going below; sessions are found by merging the items' lists,
//! which are in order of time, rather than with a hash map and a heap: the result is the same, nothing is allocated, and it
//! stops after `sample_size` sessions.

use serde_json::{Map, Value};

use super::NAME;
use super::index::Index;
use super::sequences::Sessions;
use super::settings::Settings;
use crate::context::Context;
use crate::error::{MlError, MlResult};
use crate::sparse::Csr;
use crate::tensors::{TensorReader, TensorWriter};

/// A fitted model over numbered items.
pub struct VmisKnn {
    settings: Settings,
    index: Index,
    /// Factor for the votes for each item.
    rarity: Vec<f32>,
    /// All items, those in most sessions first.
    by_popularity: Vec<u32>,
}

impl VmisKnn {
    /// Learns from sessions. Linear in the number of interactions and deterministic; runs on one thread.
    pub fn fit(params: &Map<String, Value>, sessions: &Sessions, ctx: &Context) -> MlResult<Self> {
        let settings = Settings::read(params)?;
        if sessions.is_empty() {
            return Err(MlError::EmptyInput("there are no sessions to learn from".into()));
        }
        ctx.require_memory(&format!("fitting {NAME}"), Self::estimate_memory_bytes(sessions))?;
        Ok(Self::new(settings, Index::build(sessions, settings.sample_size, ctx)?))
    }

    /// Returns the peak memory of fitting, in bytes, beyond the sessions themselves.
    pub fn estimate_memory_bytes(sessions: &Sessions) -> u64 {
        Index::estimate(sessions)
    }

    fn new(settings: Settings, index: Index) -> Self {
        let n_sessions = index.n_sessions as f64;
        let rarity = |&count: &u32| {
            let idf = (n_sessions / f64::from(count.max(1))).ln();
            (1.0 + settings.idf_weighting * idf.max(0.0)) as f32
        };
        let rarity = index.counts.iter().map(rarity).collect();
        let mut by_popularity: Vec<u32> = (0..index.counts.len() as u32).collect();
        by_popularity.sort_by_key(|&item| std::cmp::Reverse(index.counts[item as usize]));
        VmisKnn { settings, index, rarity, by_popularity }
    }

    /// Returns the number of items to choose from.
    pub fn n_items(&self) -> usize {
        self.rarity.len()
    }

    /// Returns the sessions by item, as far as they are kept.
    pub fn by_item(&self) -> &Csr {
        &self.index.by_item
    }

    /// Returns all items, those in most sessions first.
    pub fn by_popularity(&self) -> &[u32] {
        &self.by_popularity
    }

    /// Returns the number of sessions in which each item occurs.
    pub fn counts(&self) -> &[u32] {
        &self.index.counts
    }

    /// Estimates the largest number of steps that scoring a session takes, where its neighbours are of the usual length.
    pub fn steps(&self) -> usize {
        let (settings, sessions) = (&self.settings, &self.index.sessions);
        let compared = settings.sample_size.min(sessions.n_rows).saturating_mul(settings.max_session_length);
        let usual_length = sessions.nnz().div_ceil(sessions.n_rows.max(1));
        compared.saturating_add(settings.top_k.min(sessions.n_rows).saturating_mul(usual_length))
    }

    /// Returns the bytes held on the heap, approximately.
    pub fn heap_bytes(&self) -> u64 {
        let by_item = [size_of_val(&*self.rarity), size_of_val(&*self.by_popularity), size_of_val(&*self.index.counts)];
        self.index.sessions.bytes() + self.index.by_item.bytes() + by_item.iter().sum::<usize>() as u64
    }

    /// Adds what was learnt to a container.
    pub fn save<'a>(&'a self, out: &mut TensorWriter<'a>) {
        self.index.save(out);
    }

    /// Reads a model back, and trusts nothing in the container.
    pub fn load(params: &Map<String, Value>, input: &TensorReader<'_>, n_items: usize) -> MlResult<Self> {
        Ok(Self::new(Settings::read(params)?, Index::load(input, n_items)?))
    }
}

/// Scores sessions one after the other, keeping its buffers.
pub struct Scorer<'a> {
    model: &'a VmisKnn,
    places: Vec<Place<'a>>,
    buffers: Buffers,
}

/// Buffers for scoring sessions of one model.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    neighbours: Vec<Neighbour>,
    /// Votes by item; zero except while a session is scored.
    votes: Vec<f32>,
    scored: Vec<(u32, f32)>,
}

/// A distinct item of the session in progress.
struct Place<'a> {
    item: u32,
    weight: f32,
    /// Number of items after it.
    back: usize,
    /// Sessions with the item that were not visited yet, the most recent first.
    sessions: &'a [u32],
}

/// A session that shares an item.
#[derive(Debug, Clone, Copy)]
struct Neighbour {
    session: u32,
    similarity: f32,
    /// Number of items after the latest shared one.
    back: usize,
}

impl<'a> Scorer<'a> {
    /// Creates a scorer with its own buffers.
    pub fn new(model: &'a VmisKnn) -> Self {
        Self::with(model, Buffers::default())
    }

    /// Creates a scorer with the buffers of another of the same model.
    pub(super) fn with(model: &'a VmisKnn, mut buffers: Buffers) -> Self {
        buffers.votes.resize(model.n_items(), 0.0);
        Scorer { model, places: Vec::new(), buffers }
    }

    /// Returns the buffers, for another scorer.
    pub(super) fn into_buffers(self) -> Buffers {
        self.buffers
    }

    /// Returns the model that it scores with.
    pub fn model(&self) -> &'a VmisKnn {
        self.model
    }

    /// Scores the items that neighbours of a session hold; returns them in no order. The session's items come first to last;
    /// unknown ones are refused. The session's own items may be among the scored ones.
    pub fn score(&mut self, session: &[u32]) -> MlResult<&[(u32, f32)]> {
        self.find(session)?;
        self.vote();
        Ok(&self.buffers.scored)
    }

    /// Returns for each of some items which items of a session contribute most to the neighbours' score, at most `n`, with their
    /// parts of the whole, from 0 to 1.
    pub(super) fn shares(&mut self, session: &[u32], items: &[u32], n: usize) -> MlResult<Vec<Vec<(u32, f32)>>> {
        self.find(session)?;
        let shares = items.iter().map(|&item| {
            let mut parts: Vec<(u32, f32)> = self.places.iter().map(|place| (place.item, 0.0)).collect();
            for neighbour in &self.buffers.neighbours {
                let held = self.model.index.sessions.row_indices(neighbour.session as usize);
                let weight = self.model.settings.weighting_score.of_neighbour(neighbour.back);
                if weight > 0.0 && held.binary_search(&item).is_ok() {
                    let shared = parts.iter_mut().zip(&self.places).filter(|(part, _)| held.binary_search(&part.0).is_ok());
                    shared.for_each(|(part, place)| part.1 += weight * place.weight);
                }
            }
            let whole: f32 = parts.iter().map(|(_, part)| part).sum();
            parts.retain(|(_, part)| *part > 0.0);
            parts.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            parts.truncate(n);
            parts.iter_mut().for_each(|(_, part)| *part /= whole);
            parts
        });
        Ok(shares.collect())
    }

    /// Finds the neighbours of a session.
    fn find(&mut self, session: &[u32]) -> MlResult<()> {
        if session.iter().any(|&item| item as usize >= self.model.n_items()) {
            return Err(MlError::BadInput("an item of the session does not fit the model".into()));
        }
        self.find_places(session);
        self.find_neighbours();
        self.keep_most_similar();
        Ok(())
    }

    /// Finds the distinct items, latest first.
    fn find_places(&mut self, session: &[u32]) {
        let settings = &self.model.settings;
        let recent = &session[session.len().saturating_sub(settings.max_session_length)..];
        self.places.clear();
        for (back, &item) in recent.iter().rev().enumerate() {
            if recent[recent.len() - back..].contains(&item) {
                continue;
            }
            let weight = settings.weighting.of_item(back, recent.len());
            self.places.push(Place { item, weight, back, sessions: self.model.index.by_item.row_indices(item as usize) });
        }
    }

    /// Merges the places' lists of sessions.
    fn find_neighbours(&mut self) {
        self.buffers.neighbours.clear();
        let distinct = self.places.len() as f32;
        while self.buffers.neighbours.len() < self.model.settings.sample_size {
            let Some(&session) = self.places.iter().filter_map(|place| place.sessions.first()).min() else { break };
            let mut neighbour = Neighbour { session, similarity: 0.0, back: usize::MAX };
            for place in &mut self.places {
                if let Some((_, rest)) = place.sessions.split_first().filter(|(first, _)| **first == session) {
                    neighbour.similarity += place.weight;
                    neighbour.back = neighbour.back.min(place.back);
                    place.sessions = rest;
                }
            }
            neighbour.similarity /= distinct;
            self.buffers.neighbours.push(neighbour);
        }
    }

    /// Keeps only the most similar, in order.
    fn keep_most_similar(&mut self) {
        let better = |a: &Neighbour, b: &Neighbour| b.similarity.total_cmp(&a.similarity).then(a.session.cmp(&b.session));
        let top_k = self.model.settings.top_k;
        if self.buffers.neighbours.len() > top_k {
            self.buffers.neighbours.select_nth_unstable_by(top_k, better);
            self.buffers.neighbours.truncate(top_k);
        }
        // Votes are summed in this order, so that the sums do not depend on how the best were found.
        self.buffers.neighbours.sort_unstable_by(better);
    }

    fn vote(&mut self) {
        let Buffers { neighbours, votes, scored } = &mut self.buffers;
        scored.clear();
        for neighbour in neighbours.iter() {
            let weight = neighbour.similarity * self.model.settings.weighting_score.of_neighbour(neighbour.back);
            if weight <= 0.0 {
                continue;
            }
            for &item in self.model.index.sessions.row_indices(neighbour.session as usize) {
                let votes = &mut votes[item as usize];
                if *votes == 0.0 {
                    scored.push((item, 0.0));
                }
                *votes += weight;
            }
        }
        for (item, score) in scored {
            *score = std::mem::take(&mut votes[*item as usize]) * self.model.rarity[*item as usize];
        }
    }
}
