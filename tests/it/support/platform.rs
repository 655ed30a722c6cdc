//! The repository that krm-sops is for: a rule for each cluster, keys in two regions, one role.

use super::aws::Lab;
use super::repo::Repo;

/// A cluster in us-west-2.
pub(crate) const WEST: &str = "us-west-2-platform-engineering-sbx";
/// A cluster in us-east-1.
pub(crate) const EAST: &str = "us-east-1-platform-engineering-prd";

/// That repository, with what it needs of AWS.
pub(crate) struct Platform {
    pub(crate) lab: Lab,
    pub(crate) repo: Repo,
    /// The ARN of the role that both rules name, and that alone may use the keys.
    pub(crate) role: String,
    /// The ARN of the key of [`WEST`].
    pub(crate) west: String,
    /// The ARN of the key of [`EAST`].
    pub(crate) east: String,
}

impl Platform {
    /// Rules and keys, and nothing encrypted yet.
    pub(crate) fn empty() -> Self {
        let lab = Lab::new();
        let role = lab.role("flux-secrets");
        let west = lab.key("us-west-2", &role);
        let east = lab.key("us-east-1", &role);
        let repo = Repo::new();
        let rules: String =
            [(WEST, &west), (EAST, &east)].iter().map(|(cluster, key)| rule(cluster, key, &role)).collect();
        repo.write(".sops.yaml", &format!("creation_rules:\n{rules}"));
        Self { lab, repo, role, west, east }
    }

    /// With the Secret `database` in [`WEST`]: `secrets/WEST/database.yaml`, built as `clusters/WEST`.
    pub(crate) fn new() -> Self {
        let mut platform = Self::empty();
        platform.secret(WEST, "database.yaml", DATABASE);
        platform.cluster(WEST, "");
        platform
    }

    /// Encrypts a file into a cluster's secrets, and lists it in their kustomization.
    pub(crate) fn secret(&mut self, cluster: &str, file: &str, plain: &str) -> &mut Self {
        let directory = format!("secrets/{cluster}");
        self.repo.encrypt(&self.lab, &format!("{directory}/{file}"), plain);
        let listed: Vec<&str> = self
            .repo
            .encrypted()
            .iter()
            .filter_map(|path| path.strip_prefix(directory.as_str())?.strip_prefix('/'))
            .collect();
        self.repo.kustomization(&directory, &format!("resources: [{}]\n", listed.join(", ")));
        self
    }

    /// Writes a cluster's kustomization: the cluster's secrets, the transformer, and what else is given.
    pub(crate) fn cluster(&mut self, cluster: &str, more: &str) -> &mut Self {
        let directory = format!("clusters/{cluster}");
        let head = "buildMetadata: [originAnnotations]\ntransformers: [decrypt.yaml]\n";
        // `more` may bring resources of its own, as the first thing it says.
        let resources = format!("resources:\n- ../../secrets/{cluster}\n");
        self.repo.kustomization(&directory, &format!("{head}{resources}{more}"));
        self.repo.transformer(&format!("{directory}/decrypt.yaml"), "");
        self
    }

    /// Asserts that `clusters/WEST` is built as the oracle builds it, in every mode.
    #[track_caller]
    pub(crate) fn assert_decrypts(&self) {
        self.lab.assert_decrypts(&self.repo, &format!("clusters/{WEST}"));
    }
}

/// A repository with one rule, over `secrets/PART`, and what it needs of AWS; the ARN of its role.
pub(crate) fn one_rule(part: &str) -> (Lab, Repo, String) {
    let lab = Lab::new();
    let role = lab.role("flux-secrets");
    let key = lab.key("us-west-2", &role);
    let repo = Repo::new();
    repo.write(".sops.yaml", &format!("creation_rules:\n{}", rule(part, &key, &role)));
    (lab, repo, role)
}

/// A Secret with what Secrets have: values below `stringData`, base64 below `data`, and clear metadata.
pub(crate) const DATABASE: &str = "\
apiVersion: v1
kind: Secret
metadata:
  name: database
  labels:
    team: platform
type: Opaque
stringData:
  username: canary-username
  password: canary-password
data:
  token: Y2FuYXJ5LXRva2Vu
";

/// A creation rule as our users write it.
pub(crate) fn rule(cluster: &str, key: &str, role: &str) -> String {
    format!(
        "  - path_regex: secrets/{cluster}
    encrypted_regex: \"^(data|stringData)$\"
    shamir_threshold: 1
    key_groups:
      - kms:
          - arn: {key}
            role: {role}
"
    )
}
