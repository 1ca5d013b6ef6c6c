//! Tests with real sockets and the kernel that runs here.

mod moments;
mod numbers;
mod privileges;
mod program;
mod retransmits;
mod ring;
mod sockets;
