//! Messages in English.

use super::{Note, Words};

pub(super) const EN: Words = Words {
    code: "en",
    an_hour: "an hour",
    hours: "{hours} hours",
    by_link: "Open this link within {span}:",
    by_code: "Enter this code, within {span}, where {service} asks for it:",
    not_you: "If you did not ask {service} for this, do nothing: without the code nothing happens.",
    reset: Note {
        subject: "Set a new password",
        text: &["You asked to set a new password for your account at {service}."],
        button: "Set a new password",
    },
    verify: Note {
        subject: "Is this your address?",
        text: &["An account at {service} was opened with this address. Please confirm that it was you."],
        button: "Confirm the address",
    },
    change_email: Note {
        subject: "Is this your new address?",
        text: &["You asked to move your account at {service} to this address."],
        button: "Move the account here",
    },
    move_asked: Note {
        subject: "Your address is about to change",
        // Without the new address: this mailbox may be another person's by now.
        text: &[
            "Somebody who knows the password of your account at {service} asked to move it to another address, to \
             which a code was mailed.",
            "If that was not you, change your password at once: as long as the code has not been used, it is void \
             then.",
        ],
        button: "",
    },
    moved: Note {
        subject: "Your account has moved",
        text: &[
            "Your account at {service} has moved to another address, as somebody asked who knows its password.",
            "If that was not you, somebody else has your account: tell those who run {service} now.",
        ],
        button: "",
    },
    has_account: Note {
        subject: "You have an account",
        text: &[
            "Somebody, perhaps you, signed up to {service} with this address, which has an account already.",
            "Log in at {login} or ask there for a new password.",
        ],
        button: "",
    },
    deleted: Note {
        subject: "Your account is deleted",
        text: &[
            "Your account at {service} was deleted, as you asked, and all its sessions have ended.",
            "This cannot be undone. You may sign up again, and begin anew.",
        ],
        button: "",
    },
};
