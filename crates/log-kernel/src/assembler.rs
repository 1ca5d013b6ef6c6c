//! The few instructions of BPF that the program needs, as bytes.

/// A register of the kernel's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Register {
    /// What a call gives back, and the program.
    R0,
    /// The first argument of a call; at the beginning, what the tracepoint hands over.
    R1,
    R2,
    R3,
    R4,
    /// The first that a call leaves alone.
    R6,
    R7,
    R8,
    /// The end of the stack, which grows down from there.
    Stack,
}

impl Register {
    fn number(self) -> u8 {
        match self {
            Self::R0 => 0,
            Self::R1 => 1,
            Self::R2 => 2,
            Self::R3 => 3,
            Self::R4 => 4,
            Self::R6 => 6,
            Self::R7 => 7,
            Self::R8 => 8,
            Self::Stack => 10,
        }
    }
}

/// Functions of the kernel, as numbered in `linux/bpf.h`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Helper {
    /// `bpf_ktime_get_ns`.
    Moment = 5,
    /// `bpf_probe_read_kernel`: copies from any address; where nothing is, zeroes.
    Read = 113,
    /// `bpf_ringbuf_output`.
    Output = 130,
}

/// A jump whose end is not known yet.
pub(crate) struct Jump(usize);

/// A program being written.
#[derive(Default)]
pub(crate) struct Assembler {
    code: Vec<Instruction>,
}

#[derive(Clone, Copy)]
struct Instruction {
    operation: u8,
    to: u8,
    from: u8,
    offset: i16,
    immediate: i32,
}

impl Instruction {
    fn bytes(self) -> [u8; 8] {
        let [offset_0, offset_1] = self.offset.to_ne_bytes();
        let [immediate_0, immediate_1, immediate_2, immediate_3] = self.immediate.to_ne_bytes();
        // A machine that begins with the high byte also has the registers the other way round.
        let registers = if cfg!(target_endian = "little") {
            self.from << 4 | self.to
        } else {
            self.to << 4 | self.from
        };
        [
            self.operation,
            registers,
            offset_0,
            offset_1,
            immediate_0,
            immediate_1,
            immediate_2,
            immediate_3,
        ]
    }
}

impl Assembler {
    /// `to = from`.
    pub(crate) fn copy(&mut self, to: Register, from: Register) {
        self.push(0xbf, to.number(), from.number(), 0, 0);
    }

    /// `to = value`.
    pub(crate) fn set(&mut self, to: Register, value: i32) {
        self.push(0xb7, to.number(), 0, 0, value);
    }

    /// `to += value`.
    pub(crate) fn add(&mut self, to: Register, value: i32) {
        self.push(0x07, to.number(), 0, 0, value);
    }

    /// `to = *(u64 *)(from + offset)`.
    pub(crate) fn load(&mut self, to: Register, from: Register, offset: i16) {
        self.push(0x79, to.number(), from.number(), offset, 0);
    }

    /// `to = *(u32 *)(from + offset)`.
    pub(crate) fn load_half(&mut self, to: Register, from: Register, offset: i16) {
        self.push(0x61, to.number(), from.number(), offset, 0);
    }

    /// `*(u64 *)(to + offset) = from`.
    pub(crate) fn store(&mut self, to: Register, offset: i16, from: Register) {
        self.push(0x7b, to.number(), from.number(), offset, 0);
    }

    /// `*(u32 *)(to + offset) = from`.
    pub(crate) fn store_half(&mut self, to: Register, offset: i16, from: Register) {
        self.push(0x63, to.number(), from.number(), offset, 0);
    }

    /// `*(u64 *)(to + offset) = 0`.
    pub(crate) fn clear(&mut self, to: Register, offset: i16) {
        self.push(0x7a, to.number(), 0, offset, 0);
    }

    /// `*(u64 *)(to + offset) += from`, whole also when several processors do it.
    pub(crate) fn count(&mut self, to: Register, offset: i16, from: Register) {
        self.push(0xdb, to.number(), from.number(), offset, 0);
    }

    /// `to = ` the map of that descriptor.
    pub(crate) fn map(&mut self, to: Register, map: i32) {
        self.push(0x18, to.number(), 1, 0, map);
        self.push(0, 0, 0, 0, 0);
    }

    /// `to = ` the address of the first value in the map of that descriptor.
    pub(crate) fn value(&mut self, to: Register, map: i32) {
        self.push(0x18, to.number(), 2, 0, map);
        self.push(0, 0, 0, 0, 0);
    }

    /// `R0 = helper(R1, R2, R3, R4)`.
    pub(crate) fn call(&mut self, helper: Helper) {
        self.push(0x85, 0, 0, 0, helper as i32);
    }

    /// Jumps when the lower half of `register` is not `value`.
    pub(crate) fn unless_half(&mut self, register: Register, value: i32) -> Jump {
        self.jump(0x56, register, value)
    }

    /// Jumps when `register` is `value`.
    pub(crate) fn when(&mut self, register: Register, value: i32) -> Jump {
        self.jump(0x15, register, value)
    }

    fn jump(&mut self, operation: u8, register: Register, value: i32) -> Jump {
        let at = self.code.len();
        self.push(operation, register.number(), 0, 0, value);
        Jump(at)
    }

    /// A jump ends at what comes next.
    pub(crate) fn land(&mut self, jump: &Jump) {
        let next = self.code.len();
        // The program has fewer than a hundred instructions, and jumps go forward only: the distance fits.
        let distance = next.saturating_sub(jump.0).saturating_sub(1);
        if let Some(instruction) = self.code.get_mut(jump.0) {
            instruction.offset = i16::try_from(distance).unwrap_or(i16::MAX);
        }
    }

    /// Ends the program; it gives back `R0`.
    pub(crate) fn exit(&mut self) {
        self.push(0x95, 0, 0, 0, 0);
    }

    /// What was written.
    pub(crate) fn finish(self) -> Vec<[u8; 8]> {
        self.code.into_iter().map(Instruction::bytes).collect()
    }

    fn push(&mut self, operation: u8, to: u8, from: u8, offset: i16, immediate: i32) {
        self.code.push(Instruction {
            operation,
            to,
            from,
            offset,
            immediate,
        });
    }
}
