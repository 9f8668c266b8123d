//! The name of a user of this machine.

/// The name of the user with this id, or its number if the system does not know the user.
#[must_use]
pub fn user_name(uid: u32) -> String {
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = known.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid.to_string()).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("user id {uid}"))
}
