//! Sizes of the MQTT transport's types, as the lengths of symbols.
#![no_std]
#![no_main]

use ws_probes::stack::{Chip, Registers};
use ws_transport_mqtt::{MqttStack, MqttStream};

macro_rules! sizes {
    ($($name:ident = $bytes:expr;)*) => {
        $(
            #[used]
            #[unsafe(no_mangle)]
            #[unsafe(link_section = ".sizes")]
            static $name: [u8; $bytes] = [0; $bytes];
        )*
    };
}

type Places<const N: usize> = MqttStack<'static, Registers, Chip, N>;

sizes! {
    mqtt_stream = size_of::<MqttStream<'static, u32, ()>>();
    mqtt_place = size_of::<Places<2>>() - size_of::<Places<1>>();
    mqtt_stack = 2 * size_of::<Places<1>>() - size_of::<Places<2>>();
}

ws_probes::firmware!({});
