//! What the exports of `register!` do.

use crate::imports::message;
use crate::{log, Controller, Error, Level, Outcome};
use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::json;
use std::cell::RefCell;

/// Version 1.0.
pub const ABI: i32 = 1 << 16;

const RETRY: i64 = -1;
const TERMINAL: i64 = -2;
const BAD_INPUT: i64 = -3;

/// A module's controller, and its last answer, which lives until the next call.
pub struct Module<Mine> {
    controller: RefCell<Option<Mine>>,
    answered: RefCell<Vec<u8>>,
}

// A module has one thread, and the host runs one export at a time.
unsafe impl<Mine> Sync for Module<Mine> {}

impl<Mine: Controller> Default for Module<Mine> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Mine> Module<Mine> {
    pub const fn new() -> Self {
        Module { controller: RefCell::new(None), answered: RefCell::new(Vec::new()) }
    }

    fn packed(&self, body: Vec<u8>) -> i64 {
        let length = body.len() as i64;
        let mut answered = self.answered.borrow_mut();
        *answered = body;
        if length == 0 { 0 } else { (answered.as_ptr() as i64) << 32 | length }
    }

    fn packed_json(&self, value: &impl Serialize) -> i64 {
        match serde_json::to_vec(value) {
            Ok(body) => self.packed(body),
            Err(error) => failed(&format!("the answer cannot be written as JSON: {error}"), TERMINAL),
        }
    }
}

impl<Mine: Controller> Module<Mine> {
    pub fn setup(&self, length: u32) -> i64 {
        std::panic::set_hook(Box::new(|panic| log(Level::Problem, &panic.to_string())));
        let Some(input) = input(length) else { return BAD_INPUT };
        match Mine::setup(input) {
            Ok((controller, manifest)) => {
                *self.controller.borrow_mut() = Some(controller);
                self.packed_json(&manifest)
            }
            Err(error) => failed(&error, BAD_INPUT),
        }
    }

    pub fn reconcile(&self, length: u32) -> i64 {
        let Some(request) = input(length) else { return BAD_INPUT };
        let outcome = self.with(|mine| mine.reconcile(request)).unwrap_or_else(Outcome::from);
        if outcome == Outcome::default() { 0 } else { self.packed_json(&outcome) }
    }

    pub fn map(&self, length: u32) -> i64 {
        let Some(change) = input(length) else { return BAD_INPUT };
        let keys = self.with(|mine| mine.map(change));
        self.packed_json(&json!({ "keys": keys }))
    }

    pub fn admit(&self, length: u32) -> i64 {
        let Some(request) = input(length) else { return BAD_INPUT };
        match self.with(|mine| mine.admit(request)) {
            Ok(admission) => self.packed_json(&admission),
            Err(Error::Terminal(error)) => failed(&error, TERMINAL),
            Err(error) => failed(&error.to_string(), RETRY),
        }
    }

    pub fn snapshot(&self) -> i64 {
        self.packed(self.with(Mine::snapshot))
    }

    pub fn restore(&self, length: u32) -> i64 {
        let snapshot = message(length);
        match self.with(|mine| mine.restore(&snapshot)) {
            Ok(()) => 0,
            Err(error) => failed(&error, BAD_INPUT),
        }
    }

    pub fn stop(&self) -> i64 {
        self.with(Mine::stop);
        0
    }

    fn with<Answer>(&self, call: impl FnOnce(&mut Mine) -> Answer) -> Answer {
        call(self.controller.borrow_mut().as_mut().expect("the host calls setup first"))
    }
}

/// What the running export was called with.
fn input<Input: DeserializeOwned>(length: u32) -> Option<Input> {
    match serde_json::from_slice(&message(length)) {
        Ok(input) => Some(input),
        Err(error) => {
            log(Level::Problem, &format!("the input cannot be read: {error}"));
            None
        }
    }
}

fn failed(error: &str, code: i64) -> i64 {
    log(Level::Problem, error);
    code
}
