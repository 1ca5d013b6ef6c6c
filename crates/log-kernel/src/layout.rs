//! Where the kernel that runs here keeps what the program reads.

use crate::btf::Btf;
use crate::fault::TypesFault;

/// The tracepoint that is watched.
pub(crate) const TRACEPOINT: &str = "tcp_retransmit_skb";

/// Offsets in the structures of a socket and of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) local_v4: i32,
    pub(crate) remote_v4: i32,
    pub(crate) local_port: i32,
    pub(crate) remote_port: i32,
    pub(crate) family: i32,
    pub(crate) state: i32,
    /// Local and remote; none in a kernel without IPv6.
    pub(crate) v6: Option<(i32, i32)>,
    /// The pointer to a socket's network namespace, and its number in there; none in a kernel that has but one.
    pub(crate) namespace: Option<(i32, i32)>,
    /// Of the socket: all segments that were ever sent again.
    pub(crate) total: i32,
    /// Of the segment: into how many it is cut on the wire.
    pub(crate) segments: i32,
    /// Whether the tracepoint tells of segments that could not be sent, too, as it does since Linux 6.15.
    pub(crate) tells_failures: bool,
}

impl Layout {
    /// Looks everything up. What a kernel may lack by its configuration is left out, all else is asked for.
    pub(crate) fn find(types: &Btf<'_>) -> Result<Self, TypesFault> {
        let common = |member: &'static str, bytes| place(types, "sock_common", &[member], bytes);
        let v6 = common("skc_v6_rcv_saddr", 16).and_then(|local| Ok((local, common("skc_v6_daddr", 16)?)));
        let namespace = place(types, "sock_common", &["skc_net", "net"], 8)
            .and_then(|pointer| Ok((pointer, place(types, "net", &["ns", "inum"], 4)?)));
        let cut = place(types, "tcp_skb_cb", &["tcp_gso_segs"], 2)?;
        let control = types.place("sk_buff", &["cb"])?;
        Ok(Self {
            local_v4: common("skc_rcv_saddr", 4)?,
            remote_v4: common("skc_daddr", 4)?,
            local_port: common("skc_num", 2)?,
            remote_port: common("skc_dport", 2)?,
            family: common("skc_family", 2)?,
            state: common("skc_state", 1)?,
            v6: configured(v6)?,
            namespace: configured(namespace)?,
            total: place(types, "tcp_sock", &["total_retrans"], 4)?,
            segments: number(control.offset, "sk_buff", "cb")?
                .checked_add(cut)
                .ok_or(TypesFault::Unexpected {
                    outer: "sk_buff",
                    member: "cb",
                })?,
            tells_failures: types.tracepoint_arguments(TRACEPOINT).is_some_and(|count| count >= 3),
        })
    }
}

/// A member that a kernel may lack.
fn configured<T>(found: Result<T, TypesFault>) -> Result<Option<T>, TypesFault> {
    match found {
        Err(TypesFault::NoMember { .. }) => Ok(None),
        other => other.map(Some),
    }
}

/// A member of that size.
fn place(types: &Btf<'_>, outer: &'static str, path: &[&'static str], bytes: u32) -> Result<i32, TypesFault> {
    let member = path.last().copied().unwrap_or_default();
    let found = types.place(outer, path)?;
    if found.bytes != Some(bytes) {
        return Err(TypesFault::Unexpected { outer, member });
    }
    number(found.offset, outer, member)
}

fn number(offset: u32, outer: &'static str, member: &'static str) -> Result<i32, TypesFault> {
    i32::try_from(offset).map_err(|_| TypesFault::Unexpected { outer, member })
}
