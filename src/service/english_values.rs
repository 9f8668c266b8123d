//! The English texts for values that are invalid, contradictory, or hidden.

/// The texts by key.
pub const SECRETS_AND_VALUES: &[(&str, &str)] = &[
    (
        "not-generated",
        "The password of the phone's web page was not generated here: it stands in phone_admin_password, or Devices deployed it. gangway does not show it.",
    ),
    ("import.unwritable", "The field '{column}' cannot be given to {vendor} phones: their files hold no {cannot}."),
    ("import.pbx", "The field 'pbx' names no PBX: {sentence}"),
    (
        "import.password-of-pbx",
        "The stored password of this user belongs to the PBX {pbx} and does not go to another one: add it in a column 'password'.",
    ),
    (
        "notice.certificate-without-tls",
        "require_certificate and provisioning_scheme http contradict each other for {scopes} ({more} more): a phone shows its certificate over https only, so it gets nothing. Use https, or do not require a certificate.",
    ),
    (
        "notice.domain-password",
        "phone_admin_password is from-devices for {scope}: every phone there holds the administrative password of the domain, which opens the App Platform too. Leave it empty, and gangway generates one per phone.",
    ),
    (
        "notice.setting-wrong",
        "{name} of {scope} holds a value that is not possible any more: {sentence} It stays in force until it is set again or taken back.",
    ),
    ("notice.settings-wrong", "More settings hold values that are not possible any more: gangway check names them."),
    (
        "notice.url-unreachable",
        "Phones are sent to {url}, an address of this machine or its link: no phone elsewhere reaches it. Set phone_url or public_url to a name phones can reach.",
    ),
    (
        "notice.url-without-name",
        "Phones are sent to {url}, an address without a name: phones that check certificates need one that names this address. Use a host name.",
    ),
];
