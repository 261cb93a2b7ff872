use std::sync::{Mutex, MutexGuard, PoisonError};

/// More free ones than this are given up at once: as many requests wait for back ends at a time on a busy worker.
const FREE_MAX: usize = 1024;
/// So many are kept when nothing is going on.
const FREE_MIN: usize = 16;

/// What requests need and give back; the one used last is used next, since it is warm. In boxes, since a pointer moves
/// more cheaply.
#[derive(Debug)]
pub(super) struct Shelf<T>(Mutex<Vec<Box<T>>>);

impl<T> Default for Shelf<T> {
    fn default() -> Shelf<T> {
        Shelf(Mutex::default())
    }
}

impl<T> Shelf<T> {
    pub(super) fn borrow(&self, new: impl FnOnce() -> T) -> Box<T> {
        let free = self.lock().pop();
        free.unwrap_or_else(|| Box::new(new()))
    }

    pub(super) fn give_back(&self, used: Box<T>) {
        let mut free = self.lock();
        if free.len() < FREE_MAX {
            free.push(used);
        }
    }

    /// Gives up half of the free ones, so that a burst does not hold its memory for ever, and looks after the others.
    pub(super) fn tend(&self, look_after: impl FnMut(&mut Box<T>)) {
        let mut free = self.lock();
        let spare = (free.len() / 2).min(free.len().saturating_sub(FREE_MIN));
        // The last ones are used first: those in front lay still.
        free.drain(..spare);
        free.iter_mut().for_each(look_after);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Box<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_forgotten_by_and_by_and_the_usual_is_kept() {
        let shelf = Shelf::default();
        (0..100).for_each(|number| shelf.give_back(Box::new(number)));
        let mut left = Vec::new();
        for _ in 0..4 {
            let mut count = 0;
            shelf.tend(|_| count += 1);
            left.push(count);
        }
        assert_eq!(left, [50, 25, 16, 16]);
        assert_eq!(*shelf.borrow(|| 0), 99, "the one used last");
    }
}
