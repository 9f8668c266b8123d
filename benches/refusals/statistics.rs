//! The Mann-Whitney rank test, which makes no assumption about the distribution of times.

/// The comparison of two samples.
#[derive(Debug)]
pub struct Comparison {
    /// The medians of both samples.
    pub medians: [f64; 2],
    /// The share of pairs in which the first value is larger; ties count half. 0.5 means no difference.
    pub share: f64,
    /// The probability of a difference like this by chance (normal approximation with ties).
    pub p: f64,
}

/// Compares two samples.
pub fn compare(one: &[u64], other: &[u64]) -> Comparison {
    let mut all: Vec<(u64, bool)> = one.iter().map(|time| (*time, true)).collect();
    all.extend(other.iter().map(|time| (*time, false)));
    all.sort_unstable();
    let (first, second, total) = (one.len() as f64, other.len() as f64, all.len() as f64);
    let (mut ranks, mut ties, mut start) = (0.0, 0.0, 0);
    while start < all.len() {
        let same = all[start..].iter().take_while(|(time, _)| *time == all[start].0).count();
        let rank = start as f64 + (same as f64 + 1.0) / 2.0;
        ranks += rank * all[start..start + same].iter().filter(|(_, is_first)| *is_first).count() as f64;
        ties += (same as f64).powi(3) - same as f64;
        start += same;
    }
    let u = ranks - first * (first + 1.0) / 2.0;
    let variance = first * second / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    let z = (u - first * second / 2.0) / variance.sqrt();
    Comparison { medians: [median(one), median(other)], share: u / (first * second), p: two_sided(z) }
}

fn median(sample: &[u64]) -> f64 {
    let mut sorted = sample.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2] as f64
}

/// The probability that a normal value is at least this far from its mean (Abramowitz and Stegun, 7.1.26).
fn two_sided(z: f64) -> f64 {
    let x = z.abs() / std::f64::consts::SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let poly = series.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    poly * (-x * x).exp()
}
