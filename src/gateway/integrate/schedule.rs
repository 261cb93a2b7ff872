//! Smooth weighted round robin, worked out beforehand.

/// The turns of one cycle: each index as often as its weight says, spread as evenly as that allows.
///
/// Weights are divided by their greatest common divisor, so equal ones make a cycle of one turn each.
pub(super) fn turns(weights: &[u32]) -> Box<[u32]> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let weights: Vec<i64> = weights.iter().map(|weight| i64::from(weight / divisor)).collect();
    let total: i64 = weights.iter().sum();
    let mut credit = vec![0; weights.len()];
    let mut turns = Vec::with_capacity(total as usize);
    for _ in 0..total {
        credit.iter_mut().zip(&weights).for_each(|(credit, weight)| *credit += weight);
        // The first of equals wins: `max_by_key` alone would take the last.
        if let Some(index) = (0..credit.len()).rev().max_by_key(|index| credit[*index]) {
            credit[index] -= total;
            turns.push(index as u32);
        }
    }
    turns.into()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_evenly_and_exact_over_a_cycle() {
        assert_eq!(*turns(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(*turns(&[1000, 1000]), [0, 1]);
        assert_eq!(*turns(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        let cycle = turns(&[7, 2, 3]);
        assert_eq!([0, 1, 2].map(|index| cycle.iter().filter(|turn| **turn == index).count()), [7, 2, 3]);
    }
}
