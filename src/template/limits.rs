use std::time::{Duration, Instant};

use super::fault::{Limit, Trouble, Why};

/// What a template may be, decided when it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text; API Gateway takes 300 KB.
    pub template_bytes: usize,
    /// Directives within directives, brackets within brackets, strings within strings.
    pub nesting: u32,
}

/// What one rendering may spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Blocks and expressions that are open at once, and the depth of values and of JSON.
    pub nesting: u32,
    /// Turns of one `#foreach`; API Gateway allows 1,000.
    pub iterations: u32,
    /// Nodes worked on, values looked at and, by the 64, bytes read or written by a method.
    pub steps: u64,
    pub output_bytes: usize,
    /// Bytes of all values made, whether they are still in use or not.
    pub memory_bytes: usize,
    /// Wall clock, looked at every thousand steps.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { template_bytes: 300 * 1024, nesting: 64 }
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            nesting: 256,
            iterations: 1_000,
            steps: 1_000_000,
            output_bytes: 10 << 20,
            memory_bytes: 64 << 20,
            time: Duration::from_secs(1),
        }
    }
}

/// How many steps pass between two looks at the clock.
const STEPS_PER_LOOK: u64 = 1_024;

/// What has been spent.
#[derive(Debug)]
pub(super) struct Meter {
    pub budget: Budget,
    steps: u64,
    next_look: u64,
    memory_bytes: usize,
    depth: u32,
    /// Read at the first look: most templates are done before.
    since: Option<Instant>,
}

impl Meter {
    pub fn new(budget: &Budget) -> Meter {
        Meter { budget: *budget, steps: 0, next_look: STEPS_PER_LOOK, memory_bytes: 0, depth: 0, since: None }
    }

    pub fn step(&mut self, count: usize) -> Result<(), Trouble> {
        self.steps += count as u64;
        if self.steps < self.next_look { Ok(()) } else { self.look() }
    }

    /// Work over so many bytes.
    pub fn read(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.step(1 + bytes / 64)
    }

    #[cold]
    fn look(&mut self) -> Result<(), Trouble> {
        self.next_look = self.steps + STEPS_PER_LOOK;
        if self.steps > self.budget.steps {
            return Err(spent(Limit::Steps, format!("more than {} steps", self.budget.steps)));
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() > self.budget.time {
            return Err(spent(Limit::Time, format!("longer than {} ms", self.budget.time.as_millis())));
        }
        Ok(())
    }

    /// A value of so many bytes is about to be made.
    pub fn make(&mut self, bytes: usize) -> Result<(), Trouble> {
        self.memory_bytes = self.memory_bytes.saturating_add(bytes);
        if self.memory_bytes > self.budget.memory_bytes {
            let most = self.budget.memory_bytes;
            return Err(spent(Limit::Memory, format!("values of more than {most} bytes in all")));
        }
        self.read(bytes)
    }

    pub fn enter(&mut self) -> Result<(), Trouble> {
        self.depth += 1;
        self.check_depth(self.depth)
    }

    pub fn leave(&mut self) {
        self.depth -= 1;
    }

    pub fn check_depth(&self, depth: u32) -> Result<(), Trouble> {
        if depth <= self.budget.nesting {
            return Ok(());
        }
        Err(spent(Limit::Nesting, format!("nested more than {} deep", self.budget.nesting)))
    }

    pub fn check_iterations(&self, turns: u32) -> Result<(), Trouble> {
        if turns <= self.budget.iterations {
            return Ok(());
        }
        Err(spent(Limit::Iterations, format!("a #foreach of more than {} turns", self.budget.iterations)))
    }

    pub fn check_output(&self, bytes: usize) -> Result<(), Trouble> {
        if bytes <= self.budget.output_bytes {
            return Ok(());
        }
        Err(spent(Limit::Output, format!("an output of more than {} bytes", self.budget.output_bytes)))
    }
}

fn spent(limit: Limit, what: String) -> Trouble {
    Trouble::new(Why::Limit(limit), format!("{what}: the template's budget of {} is spent", limit.name()))
}
