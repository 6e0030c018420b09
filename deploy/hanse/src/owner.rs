//! Whose files are, by the names that this machine has for users and groups (passwd(5), group(5)).

use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;

/// Bytes of the list of users or groups that are read.
const LIST_BYTES_MAX: u64 = 1024 * 1024;

const USERS: &str = "/etc/passwd";

const GROUPS: &str = "/etc/group";

/// Whose a file is. By names: numbers differ between machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its user.
    pub user: String,
    /// Its group.
    pub group: String,
}

impl Owner {
    /// Whose this is; `None`: this machine has no names for them.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        Some(Owner {
            user: name_in(&list(USERS)?, metadata.uid())?,
            group: name_in(&list(GROUPS)?, metadata.gid())?,
        })
    }

    /// The numbers of both on this machine; `None`: it does not have both.
    pub fn ids(&self) -> Option<(u32, u32)> {
        Some((user_id(&self.user)?, group_id(&self.group)?))
    }
}

/// The number of a user of this machine.
pub fn user_id(name: &str) -> Option<u32> {
    id_in(&list(USERS)?, name)
}

/// The number of a group of this machine.
pub fn group_id(name: &str) -> Option<u32> {
    id_in(&list(GROUPS)?, name)
}

fn list(path: &str) -> Option<String> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(LIST_BYTES_MAX)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// Lines are `name:x:id:…`.
fn id_in(list: &str, name: &str) -> Option<u32> {
    entries(list).find_map(|(of, id)| (of == name).then_some(id))
}

fn name_in(list: &str, id: u32) -> Option<String> {
    entries(list).find_map(|(name, of)| (of == id).then(|| name.to_owned()))
}

fn entries(list: &str) -> impl Iterator<Item = (&str, u32)> {
    list.lines().filter_map(|line| {
        let mut fields = line.split(':');
        Some((fields.next()?, fields.nth(1)?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_their_whole_name_and_by_their_number() {
        let list = "root:x:0:0::/root:/bin/sh\nhanse2:x:5:5::/:/bin/sh\nhanse:x:998:997::/:/bin/sh\nodd\n";
        assert_eq!(id_in(list, "hanse"), Some(998));
        assert_eq!(id_in(list, "hans"), None);
        assert_eq!(id_in(list, "odd"), None);
        assert_eq!(name_in(list, 998).as_deref(), Some("hanse"));
        assert_eq!(name_in(list, 997), None);
    }
}
