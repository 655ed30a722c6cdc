//! Whole builds by kustomize, with krm-sops and KSOPS in the places that they have there.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::{Bench, best};
use crate::Failure;
use crate::measure::Work;
use crate::trees::Tree;

const TIMES: usize = 5;

impl Bench {
    /// The whole `kustomize build`, with each plugin, and with krm-sops behind it.
    pub(super) fn builds(&mut self, tree: &Tree, work: &'static str) -> Result<(), Failure> {
        let mut works = vec![
            self.build(tree, "listed", "plugins"),
            self.build(tree, "build", "plugins"),
            self.filter(tree, "filter"),
            self.filter(tree, "filter --set aws.maxConcurrency=200"),
        ];
        let of_ours = works.len() as u64;
        if self.ksops.is_some() {
            works.push(
                self.build(tree, "ksops", "plugins")
                    .argument("--enable-exec")
                    .argument("--load-restrictor=LoadRestrictionsNone"),
            );
        }
        works.push(self.answered(tree, "listed")?);
        works.push(self.answered(tree, "build")?);
        self.check(&works, tree)?;
        self.take_calls();
        let used = self.in_turn(&works, TIMES)?;
        let calls = self.take_calls();
        let [listed, ours, filter, filter_of_200, peer @ .., listed_answered, answered] = used.as_slice()
        else {
            return Ok(());
        };
        let beside = peer.first().map(|peer| ("KSOPS", peer.wall));
        let goal = peer.first().and(Some(0.30));
        self.row(
            work,
            "`kustomize build`, the files listed as KSOPS has them",
            listed.wall,
            beside,
            goal,
            "ms",
        );
        self.row(work, "`kustomize build`, the files as `resources`", ours.wall, beside, goal, "ms");
        self.row(work, "`kustomize build \\| krm-sops decrypt`", filter.wall, beside, None, "ms");
        let measured = "… with `maxConcurrency: 200`";
        self.row(work, measured, filter_of_200.wall, beside, None, "ms");
        for (of, answered) in [("listed", listed_answered), ("that are `resources`", answered)] {
            let least = answered.wall + best(200);
            self.notes.push(format!(
                "kustomize itself takes {:.0} ms for 200 Secrets {of}, with a plugin that only prints the answer; with the rounds of calls, 64 at once, {least:.0} ms{}.",
                answered.wall,
                peer.first().map_or_else(String::new, |peer| format!(", {:.2} of KSOPS'", least / peer.wall))
            ));
        }
        if !peer.is_empty() {
            let times = TIMES as u64;
            self.notes.push(format!(
                "KSOPS: {} AssumeRole and {} Decrypt for the same 200 Secrets.",
                calls.assume_role / times - of_ours,
                calls.decrypt / times - of_ours * 200
            ));
        }
        Ok(())
    }

    fn build(&self, tree: &Tree, directory: &str, plugins: &str) -> Work {
        if let Some(ksops) = &self.ksops {
            // Where there is one already, it is this one.
            let _ = symlink(ksops, tree.path("ksops/ksops"));
        }
        let work = Work::new(&self.kustomize, &tree.path("")).argument("build").argument(directory);
        self.with_aws(work.argument("--enable-alpha-plugins"))
            .env("KUSTOMIZE_PLUGIN_HOME", self.scratch.path().join(plugins))
    }

    fn with_aws(&self, work: Work) -> Work {
        work.env("AWS_ENDPOINT_URL", &self.aws.url).env("AWS_REGION", "us-west-2")
    }

    /// krm-sops behind a build without plugins.
    fn filter(&self, tree: &Tree, arguments: &str) -> Work {
        let script = format!("\"$0\" build filter | \"$1\" decrypt -C {arguments}");
        let work = Work::new("/bin/sh", &tree.path("")).argument("-c").argument(script);
        self.with_aws(work.argument(&self.kustomize).argument(&self.ours))
    }

    /// A build whose plugin prints what krm-sops would: what kustomize itself takes.
    fn answered(&self, tree: &Tree, directory: &str) -> Result<Work, Failure> {
        let plugin = self.scratch.path().join("answered/krm-sops.dev/v1/sopsdecrypt");
        fs::create_dir_all(&plugin)?;
        let answer = plugin.join("answer.yaml");
        self.function(tree, &self.aws).run(&answer)?;
        let script = format!("#!/bin/sh\ncat >/dev/null\nexec cat '{}'\n", answer.display());
        fs::write(plugin.join("SopsDecrypt"), script)?;
        fs::set_permissions(plugin.join("SopsDecrypt"), fs::Permissions::from_mode(0o755))?;
        Ok(self.build(tree, directory, "answered"))
    }
}
