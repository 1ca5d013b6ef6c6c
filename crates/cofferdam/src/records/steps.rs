//! The table of what is done to a gateway: the only place where its words are spelled.

use log_record::grade::Class;

/// One kind of thing that is done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// What stands in the record.
    pub(super) word: &'static str,
    /// What it says, for the page on logs.
    #[cfg(test)]
    pub(super) meaning: &'static str,
    for_whom: ForWhom,
}

/// Who wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ForWhom {
    /// Who runs the gateway.
    Operator,
    /// Who asks later what was changed by whom, too.
    Auditor,
}

impl Step {
    /// The classes in which it is written down.
    pub(super) const fn classes(&self) -> &'static [Class] {
        match self.for_whom {
            ForWhom::Operator => &[Class::Control],
            ForWhom::Auditor => &[Class::Control, Class::Audit],
        }
    }
}

macro_rules! steps {
    ($($constant:ident = $word:literal, $for_whom:ident, $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub(super) const $constant: Step = Step {
                word: $word,
                #[cfg(test)]
                meaning: $meaning,
                for_whom: ForWhom::$for_whom,
            };
        )*

        /// Every one, for the page on logs.
        #[cfg(test)]
        pub(super) const ALL: &[&Step] = &[$(&$constant),*];
    };
}

steps! {
    GATEWAY_STARTED = "gateway.started", Auditor, "the gateway began to serve";
    GATEWAY_DRAINED = "gateway.drained", Operator, "it takes nothing new, and what was under way has ended";
    GATEWAY_STOPPED = "gateway.stopped", Auditor, "it has ended";
    WORKER_LOST = "worker.lost", Operator, "a worker is gone, or does not take a change";
    CONFIGURATION_READ = "configuration.read", Operator, "the text was read, in a file or a store";
    CONFIGURATION_CHECKED = "configuration.checked", Operator, "it was checked, and everything that it names is there";
    CONFIGURATION_APPLIED = "configuration.applied", Auditor, "it serves";
    CONFIGURATION_REFUSED = "configuration.refused", Auditor, "it does not serve, and why; what served goes on";
    CONFIGURATION_ROLLED_BACK = "configuration.rolled_back", Auditor, "a text serves again that another had taken over from";
    GENERATION_SWAPPED = "generation.swapped", Operator, "all workers went over to a generation, or none, and how long that took";
    PLUGIN_ADDED = "plugin.added", Auditor, "a plugin runs that did not";
    PLUGIN_CHANGED = "plugin.changed", Auditor, "a plugin runs as another generation";
    PLUGIN_REMOVED = "plugin.removed", Auditor, "a plugin runs no more";
    PLUGIN_KEPT = "plugin.kept", Operator, "a plugin runs as it did, not as it is configured, and why";
    PLUGIN_REFUSED = "plugin.refused", Auditor, "a plugin does not run, and why";
    GRANT_CHANGED = "grant.changed", Auditor, "a plugin may do something else than before, and by whose word";
    SIGNATURE_ACCEPTED = "signature.accepted", Operator, "a module is signed by one who may";
    SIGNATURE_REFUSED = "signature.refused", Auditor, "a module is not signed by one who may";
    LISTENER_OPENED = "listener.opened", Operator, "a listener takes connections";
    LISTENER_CLOSED = "listener.closed", Operator, "a listener takes no more";
    CERTIFICATES_RELOADED = "certificates.reloaded", Auditor, "certificates of a listener were read again";
    OPERATOR_ORDERED = "operator.ordered", Auditor, "an order on the admin listener, from where, and what came of it";
    QUARANTINE = "plugin.quarantine", Operator, "a plugin is set aside on a worker (`begun`), or no more (`done`)";
    ROLLOUT_STAGED = "rollout.staged", Operator, "a rollout began: the new generation is made ready";
    ROLLOUT_SERVES = "rollout.serves", Operator, "one of its steps serves, and how";
    ROLLOUT_PROMOTING = "rollout.promoting", Operator, "the new generation takes over";
    ROLLOUT_PROMOTED = "rollout.promoted", Auditor, "the new generation serves alone";
    ROLLOUT_GOING_BACK = "rollout.going_back", Operator, "the generation before takes over again, and why";
    ROLLOUT_ROLLED_BACK = "rollout.rolled_back", Auditor, "the generation before serves alone, and why";
    ROLLOUT_STEP = "rollout.step", Operator, "a step of the saga: its share, its key, and the key under which it is undone";
    EFFECT_STAGE = "rollout.effect.stage", Operator, "the new generation is ready on every worker";
    EFFECT_SHARE = "rollout.effect.share", Operator, "workers give it this part of the exchanges";
    EFFECT_SHADOW = "rollout.effect.shadow", Operator, "it runs aside";
    EFFECT_NO_SHADOW = "rollout.effect.no-shadow", Operator, "it runs aside no more";
    EFFECT_ADOPT = "rollout.effect.adopt", Operator, "it is kept as what served last";
    EFFECT_RESTORE = "rollout.effect.restore-control", Operator, "the generation before is kept as what served last";
    EFFECT_RETIRE_CONTROL = "rollout.effect.retire-control", Operator, "the generation before ends with its last exchange";
    EFFECT_RETIRE_CANDIDATE = "rollout.effect.retire-candidate", Operator, "the new generation ends with its last exchange";
    WAVE = "rollout.wave", Operator, "the next gateways of the store begin, or all stop, and why";
}
