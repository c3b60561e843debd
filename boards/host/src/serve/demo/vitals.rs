//! What the program uses of its machine, where the system tells: Linux's /proc.

use super::readings::Vitals;

/// How long a load is averaged over, at least.
const WINDOW_MS: u64 = 250;

/// Measures this process. One for all connections.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Processor time and clock at the start of the window.
    start: Option<(u64, u64)>,
    load: Option<f32>,
}

impl Meter {
    /// What is known at `now_ms`. Reads two small files.
    pub(crate) fn read(&mut self, now_ms: u64) -> Vitals {
        self.measure(busy_ns(), now_ms);
        Vitals {
            load: self.load,
            memory: resident(),
        }
    }

    fn measure(&mut self, busy_ns: Option<u64>, now_ms: u64) {
        let Some(busy_ns) = busy_ns else { return };
        let Some((busy_then, then_ms)) = self.start else {
            self.start = Some((busy_ns, now_ms));
            return;
        };
        let passed_ms = now_ms.saturating_sub(then_ms);
        if passed_ms < WINDOW_MS {
            return;
        }
        let busy = std::time::Duration::from_nanos(busy_ns.saturating_sub(busy_then));
        let passed = std::time::Duration::from_millis(passed_ms);
        self.load = Some(busy.div_duration_f32(passed) * 100.0);
        self.start = Some((busy_ns, now_ms));
    }
}

/// Processor time of the main thread, which is the one that serves.
fn busy_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// Bytes of memory that are in place.
fn resident() -> Option<u32> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u32 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_processor_time_by_time() {
        let mut meter = Meter::default();
        meter.measure(Some(5_000_000), 1_000);
        assert_eq!(meter.load, None);
        meter.measure(Some(9_000_000), 1_100);
        assert_eq!(meter.load, None, "too short to tell");
        meter.measure(Some(55_000_000), 1_500);
        assert_eq!(meter.load, Some(10.0));
        meter.measure(None, 9_000);
        assert_eq!(meter.load, Some(10.0));
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_is_no_fault() {
        let mut meter = Meter::default();
        meter.measure(Some(5), 1_000);
        meter.measure(Some(5), 1_000);
        meter.measure(Some(1), 0);
        assert_eq!(meter.load, None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory() {
        assert!(Meter::default().read(0).memory > Some(4_096));
    }
}
