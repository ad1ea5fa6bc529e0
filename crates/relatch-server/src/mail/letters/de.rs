//! Messages in German.

use super::{Note, Words};

pub(super) const DE: Words = Words {
    code: "de",
    an_hour: "einer Stunde",
    hours: "{hours} Stunden",
    by_link: "Öffnen Sie innerhalb von {span} diesen Link:",
    by_code: "Geben Sie innerhalb von {span} diesen Code ein, wo {service} danach fragt:",
    not_you: "Wenn Sie {service} nicht darum gebeten haben, tun Sie nichts: Ohne den Code geschieht nichts.",
    reset: Note {
        subject: "Neues Passwort setzen",
        text: &["Sie möchten für Ihr Konto bei {service} ein neues Passwort setzen."],
        button: "Neues Passwort setzen",
    },
    verify: Note {
        subject: "Ist das Ihre Adresse?",
        text: &[
            "Mit dieser Adresse wurde bei {service} ein Konto eröffnet. Bitte bestätigen Sie, dass Sie das waren.",
        ],
        button: "Adresse bestätigen",
    },
    change_email: Note {
        subject: "Ist das Ihre neue Adresse?",
        text: &["Sie möchten Ihr Konto bei {service} auf diese Adresse umziehen."],
        button: "Konto hierher umziehen",
    },
    move_asked: Note {
        subject: "Ihre Adresse soll sich ändern",
        text: &[
            "Jemand, der das Passwort Ihres Kontos bei {service} kennt, möchte es auf eine andere Adresse umziehen; \
             dorthin ging ein Code.",
            "Wenn Sie das nicht waren, ändern Sie sofort Ihr Passwort: Solange der Code nicht benutzt wurde, ist er \
             dann ungültig.",
        ],
        button: "",
    },
    moved: Note {
        subject: "Ihr Konto ist umgezogen",
        text: &[
            "Ihr Konto bei {service} ist auf eine andere Adresse umgezogen; darum bat jemand, der das Passwort kennt.",
            "Wenn Sie das nicht waren, hat jemand anderes Ihr Konto: Sagen Sie es sofort denen, die {service} betreiben.",
        ],
        button: "",
    },
    has_account: Note {
        subject: "Sie haben schon ein Konto",
        text: &[
            "Jemand, vielleicht Sie selbst, hat sich bei {service} mit dieser Adresse registriert. Sie gehört schon zu \
             einem Konto.",
            "Melden Sie sich unter {login} an, oder setzen Sie dort ein neues Passwort.",
        ],
        button: "",
    },
    deleted: Note {
        subject: "Ihr Konto ist gelöscht",
        text: &[
            "Ihr Konto bei {service} wurde gelöscht, wie Sie es wollten; alle seine Sitzungen sind beendet.",
            "Das lässt sich nicht rückgängig machen. Sie können sich neu registrieren und von vorn beginnen.",
        ],
        button: "",
    },
};
