//! The Synapse of this machine: its configuration, and the file that is added to it.

use super::files::text_of;
use anyhow::{Context, Result};
use hanse_bridge::SynapseConfig;
use std::path::{Path, PathBuf};

/// Where Debian's packages keep it.
pub const USUAL_CONFIG: &str = "/etc/matrix-synapse/homeserver.yaml";

/// Our file beside it. The last file that has a key decides about it, and files are read in the order of their names.
const OUR_FILE: &str = "zz-hanse.yaml";

/// A Synapse whose configuration can be read here.
#[derive(Clone, Debug, PartialEq)]
pub struct LocalSynapse {
    /// What all its files say, but ours.
    pub config: SynapseConfig,
    /// The folder for further files beside `homeserver.yaml`, if Synapse has one.
    conf_d: Option<PathBuf>,
    /// Files in the folder for workers.
    worker_files: usize,
}

impl LocalSynapse {
    /// Reads `homeserver.yaml` and what is in `conf.d` beside it. `None`: there is none that we may read.
    ///
    /// # Errors
    ///
    /// A sentence: one of the files is no YAML.
    pub fn read(homeserver_yaml: &Path) -> Result<Option<Self>> {
        let Some(text) = text_of(homeserver_yaml) else {
            return Ok(None);
        };
        let mut config = SynapseConfig::default();
        let add = |config: &mut SynapseConfig, text: &str, path: &Path| {
            config
                .add(text)
                .map_err(anyhow::Error::msg)
                .with_context(|| path.display().to_string())
        };
        add(&mut config, &text, homeserver_yaml)?;
        let folder = homeserver_yaml.parent().unwrap_or(Path::new("."));
        let conf_d = folder.join("conf.d");
        for file in yaml_files(&conf_d) {
            if file.file_name().is_some_and(|name| name != OUR_FILE)
                && let Some(text) = text_of(&file)
            {
                add(&mut config, &text, &file)?;
            }
        }
        Ok(Some(LocalSynapse {
            config,
            conf_d: conf_d.is_dir().then_some(conf_d),
            worker_files: yaml_files(&folder.join("workers")).len(),
        }))
    }

    /// Where a file goes that Synapse reads after all others; `None`: it reads no folder.
    pub fn our_file(&self) -> Option<PathBuf> {
        Some(self.conf_d.as_ref()?.join(OUR_FILE))
    }

    /// What its files say, a sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let mut said = Vec::new();
        let workers = self.config.workers().len().max(self.worker_files);
        said.push(match workers {
            0 => "It runs as one process, without workers, as far as its configuration tells.".to_owned(),
            1 => "It runs with a worker besides the main process.".to_owned(),
            more => format!("It runs with {more} workers besides the main process."),
        });
        if workers > 0 {
            said.push(
                "All processes need the lines for homeserver.yaml, so restart all of them. Only the main process cancels and sends \
                 delayed events: have your reverse proxy lead POST below \
                 /_matrix/client/unstable/org.matrix.msc4140/delayed_events/ there (docs/install.md)."
                    .to_owned(),
            );
        }
        if self.config.serves_openid() == Some(false) {
            said.push(
                "None of its listeners has the resource `federation` or `openid`: add one to a listener that other organisations \
                 reach, or nobody can prove to Hanse who they are."
                    .to_owned(),
            );
        }
        said
    }
}

/// Files that Synapse reads in a folder, in its order.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::tests::folder;

    #[test]
    fn all_its_files_are_read_but_ours() {
        let folder = folder("local");
        let main = folder.join("homeserver.yaml");
        assert_eq!(LocalSynapse::read(&main).unwrap(), None);
        std::fs::write(
            &main,
            "listeners: [{port: 8009, resources: [{names: [client]}]}]\n",
        )
        .unwrap();
        let alone = LocalSynapse::read(&main).unwrap().unwrap();
        assert_eq!(alone.our_file(), None);
        std::fs::create_dir_all(folder.join("conf.d")).unwrap();
        std::fs::create_dir_all(folder.join("workers")).unwrap();
        for (file, text) in [
            ("conf.d/server_name.yaml", "server_name: org-a.example\n"),
            ("conf.d/zz-hanse.yaml", "server_name: ours\n"),
            ("conf.d/zz-hanse.yaml.new", "server_name: beside\n"),
            ("workers/one.yaml", "worker_name: one\n"),
        ] {
            std::fs::write(folder.join(file), text).unwrap();
        }
        let whole = LocalSynapse::read(&main).unwrap().unwrap();
        assert_eq!(whole.config.server_name(), Some("org-a.example"));
        assert_eq!(whole.our_file(), Some(folder.join("conf.d/zz-hanse.yaml")));
        let said = whole.sentences().join("\n");
        assert!(said.contains("a worker besides the main process"), "{said}");
        assert!(said.contains("None of its listeners has the resource"), "{said}");
        std::fs::write(folder.join("conf.d/broken.yaml"), "a: [").unwrap();
        let error = format!("{:#}", LocalSynapse::read(&main).unwrap_err());
        assert!(error.contains("broken.yaml"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
