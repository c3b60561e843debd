//! What the RP2040's temperature sensor says.

use core::fmt::Write;

/// The reference of the converter, in millivolts: the board's 3.3 V.
const REFERENCE: i32 = 3_300;
/// Steps of the converter.
const STEPS: u16 = 4096;

/// The temperature in tenths of a degree Celsius by `counts` of the 12-bit converter (RP2040
/// datasheet, section 4.9.5): 27 °C at 0.706 V, and 1.721 mV less for each degree more. A step of the
/// converter is half a degree; the sensor may be off by some.
pub fn tenths_celsius(counts: u16) -> i32 {
    let counts = i32::from(counts.min(STEPS - 1));
    let microvolts = counts * REFERENCE / i32::from(STEPS) * 1000
        + counts * REFERENCE % i32::from(STEPS) * 1000 / i32::from(STEPS);
    270 - rounded((microvolts - 706_000) * 10, 1721)
}

/// `dividend` by `divisor`, to the nearest.
const fn rounded(dividend: i32, divisor: i32) -> i32 {
    (dividend + divisor / 2).div_euclid(divisor)
}

/// The longest text that [`json`] makes fits.
pub type Json = heapless::String<40>;

/// A reading as it is sent: `{"n":3,"celsius":24.9}`. `n` counts the readings of a connection.
pub fn json(n: u32, counts: u16) -> Json {
    let tenths = tenths_celsius(counts);
    let sign = if tenths < 0 { "-" } else { "" };
    let (whole, tenth) = (tenths.abs() / 10, tenths.abs() % 10);
    let mut json = Json::new();
    // It fits, as a test shows.
    let _ = write!(json, r#"{{"n":{n},"celsius":{sign}{whole}.{tenth}}}"#);
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_datasheet_says() {
        for counts in 0..STEPS {
            let volts = f64::from(counts) * 3.3 / 4096.0;
            let celsius = 27.0 - (volts - 0.706) / 0.001721;
            let tenths = f64::from(tenths_celsius(counts));
            assert!(
                (tenths - celsius * 10.0).abs() <= 0.51,
                "{counts}: {celsius}"
            );
        }
        // 0.706 V lies between two steps.
        assert_eq!([876, 877].map(tenths_celsius), [271, 267]);
    }

    #[test]
    fn text() {
        assert_eq!(json(0, 876), r#"{"n":0,"celsius":27.1}"#);
        assert_eq!(json(17, 891), r#"{"n":17,"celsius":20.1}"#);
    }

    #[test]
    fn the_sign_of_less_than_a_degree_below_zero_stays() {
        let counts = (0..STEPS).find(|&counts| (-9..0).contains(&tenths_celsius(counts)));
        let json = json(1, counts.unwrap());
        assert!(json.contains(":-0."), "{json}");
    }

    #[test]
    fn the_longest_fits() {
        for counts in [0, STEPS - 1, u16::MAX] {
            assert!(json(u32::MAX, counts).ends_with('}'));
        }
    }
}
