//! TCP stacks as embedded-nal.
