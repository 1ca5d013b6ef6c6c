//! Modules from where the configuration says they are: all that must be fetched at once, so that a slow registry holds up nobody else's.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::join_all;
use gate_plan::{Fetch, Plan, Plugin, Source};
use plug_host::digest;
use plug_package::{
    Client, Credentials, Digest, Document, Fetched, Form, Origin, Pull, Reference, SIGNATURE_BYTES_MAX, Signatures,
    Store, Url, Wanted, Way, read_file,
};

use crate::looks::Looks;
use crate::signing::{Candidate, Signers};
use crate::voice::{say, warn};

/// A module that is here.
#[derive(Clone)]
pub(crate) struct Had {
    pub(crate) bytes: Bytes,
    /// A file with these bytes.
    pub(crate) path: PathBuf,
    /// The SHA-256 of the bytes.
    pub(crate) digest: String,
    /// What the file looked like before it was read, where it is one that somebody else writes.
    pub(crate) looks: Option<Looks>,
    /// Where its image is, and which it is.
    pub(crate) image: Option<(Reference, Digest)>,
    /// When it was made: its file was written, or its image built.
    pub(crate) made: Option<SystemTime>,
    /// Signatures that came with it, when somebody wants to see them.
    pub(crate) documents: Vec<Document>,
    /// Why more of them could not be had.
    pub(crate) unasked: Option<String>,
}

impl Had {
    /// As those see it who look at signatures.
    pub(crate) fn candidate(&self) -> Candidate<'_> {
        Candidate {
            module: &self.bytes,
            image: self.image.as_ref().map(|(reference, digest)| (reference, *digest)),
            documents: &self.documents,
            grant: None,
        }
    }
}

/// What is fetched, with what its client needs.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Order {
    wanted: Wanted,
    plain_http: bool,
    credentials_file: Option<PathBuf>,
}

/// What stays over several loads: the store.
#[derive(Default)]
pub(crate) struct Sources {
    store: Option<Arc<Store>>,
}

impl Sources {
    /// The modules of these plugins by their names, or why they cannot be had; with signatures when `signers` want to see them.
    pub(crate) fn gather(
        &mut self,
        (plugins, signers): (&[&Arc<Plugin>], Option<&Signers>),
        folder: &Path,
        store: Option<PathBuf>,
    ) -> HashMap<String, Result<Had, String>> {
        let mut gathered = HashMap::new();
        let mut orders: HashMap<Order, Vec<&str>> = HashMap::new();
        for plugin in plugins {
            match order(plugin) {
                Ok(Some(order)) => orders.entry(order).or_default().push(&plugin.name),
                Ok(None) => {
                    let had = read(plugin, folder).map(|had| match signers {
                        Some(_) => with_signatures_beside(had),
                        None => had,
                    });
                    gathered.insert(plugin.name.clone(), had);
                }
                Err(why) => {
                    gathered.insert(plugin.name.clone(), Err(why));
                }
            }
        }
        if orders.is_empty() {
            return gathered;
        }
        let fetched = self.fetch(orders.keys().cloned().collect(), signers, store);
        for (order, names) in orders {
            let had = match &fetched {
                Ok(fetched) => fetched
                    .get(&order)
                    .cloned()
                    .unwrap_or_else(|| Err(String::from("fetching it broke off"))),
                Err(why) => Err(why.clone()),
            };
            for name in names {
                gathered.insert(name.to_owned(), had.clone());
            }
        }
        gathered
    }

    /// Fetches on a queue of this thread, each order by itself.
    fn fetch(
        &mut self,
        orders: Vec<Order>,
        signers: Option<&Signers>,
        folder: Option<PathBuf>,
    ) -> Result<HashMap<Order, Result<Had, String>>, String> {
        let store = self.store(folder)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|why| format!("no event queue to fetch with: {why}"))?;
        let done = runtime.block_on(join_all(orders.into_iter().map(|order| async {
            let had = have(&order, signers, &store).await;
            (order, had)
        })));
        // A name that is being looked up cannot be stopped; nobody waits for it.
        runtime.shutdown_background();
        Ok(done.into_iter().collect())
    }

    fn store(&mut self, folder: Option<PathBuf>) -> Result<Arc<Store>, String> {
        if let Some(store) = &self.store {
            return Ok(Arc::clone(store));
        }
        let folder = folder.ok_or("there is no folder to fetch modules into; hint: `cache_dir` names one")?;
        let store = Store::open(&folder).map_err(|why| format!("modules cannot be fetched: {why}"))?;
        Ok(Arc::clone(self.store.insert(Arc::new(store))))
    }
}

/// The files of a plugin whose changes are followed.
pub(crate) fn files(plugin: &Plugin, (plan, folder): (&Plan, &Path)) -> Vec<PathBuf> {
    let Source::File { path, .. } = &plugin.source else {
        return Vec::new();
    };
    let module = folder.join(path);
    let beside = plan.signatures.iter().flat_map(|_| signature_files(&module));
    let beside: Vec<PathBuf> = beside.map(|(_, file)| file).collect();
    [vec![module], beside].concat()
}

/// Where fetched modules are kept when the configuration does not say.
pub(crate) fn default_store() -> Option<PathBuf> {
    Some(crate::load::default_cache()?.with_file_name("modules"))
}

fn read(plugin: &Plugin, folder: &Path) -> Result<Had, String> {
    let Source::File { path, sha256 } = &plugin.source else {
        return Err(String::from("it is in no file"));
    };
    let path = folder.join(path);
    let looks = Looks::settled(&path);
    let made = std::fs::metadata(&path).and_then(|about| about.modified()).ok();
    let bytes = std::fs::read(&path).map_err(|why| format!("module `{}` cannot be read: {why}", path.display()))?;
    let found = digest(&bytes);
    if let Some(sha256) = sha256 {
        let wanted = Digest::from_bytes(*sha256).hex();
        if wanted != found {
            return Err(format!(
                "module `{}` has SHA-256 {found}, the configuration wants {wanted}",
                path.display()
            ));
        }
    }
    Ok(Had {
        bytes: bytes.into(),
        path,
        digest: found,
        looks,
        image: None,
        made,
        documents: Vec::new(),
        unasked: None,
    })
}

/// Files in which signatures of a module lie, beside it.
pub(crate) fn signature_files(module: &Path) -> [(Form, PathBuf); 2] {
    let beside = |ending: &str| {
        let mut name = module.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    [(Form::Bundle, beside(".sigstore.json")), (Form::Raw, beside(".sig"))]
}

pub(crate) fn with_signatures_beside(mut had: Had) -> Had {
    for (form, file) in signature_files(&had.path).into_iter().filter(|(_, file)| file.exists()) {
        match read_file(&file, SIGNATURE_BYTES_MAX) {
            Ok(bytes) => had.documents.push(Document::new(form, bytes.into())),
            Err(why) => had.unasked = Some(why.to_string()),
        }
    }
    had
}

/// What is to be fetched for a plugin; none when it has a file.
fn order(plugin: &Plugin) -> Result<Option<Order>, String> {
    let (origin, default, credentials_file, fetch) = match &plugin.source {
        Source::File { .. } => return Ok(None),
        Source::Oci {
            name,
            digest,
            credentials_file,
            fetch,
        } => {
            let reference = Reference::parse(name).map_err(|why| why.to_string())?;
            let pinned = digest.map(Digest::from_bytes);
            if let (Some(pinned), Some(named)) = (pinned, reference.digest())
                && pinned != named
            {
                return Err(format!("its source names two digests: {named} and {pinned}"));
            }
            let default = if reference.is_latest() {
                Pull::Always
            } else {
                Pull::IfNotPresent
            };
            let reference = pinned.map_or(reference.clone(), |pinned| reference.at(pinned));
            (Origin::Oci(reference), default, credentials_file.clone(), fetch)
        }
        Source::Http { url, fetch } => {
            let parsed = Url::parse(url).map_err(|why| format!("its URL is not understood: {why}"))?;
            (Origin::Http(parsed), Pull::IfNotPresent, None, fetch)
        }
    };
    Ok(Some(Order {
        wanted: wanted(origin, default, fetch),
        plain_http: fetch.plain_http,
        credentials_file,
    }))
}

fn wanted(origin: Origin, default: Pull, fetch: &Fetch) -> Wanted {
    Wanted {
        origin,
        sha256: fetch.sha256.map(Digest::from_bytes),
        pull: match fetch.pull {
            Some(gate_plan::Pull::IfNotPresent) => Pull::IfNotPresent,
            Some(gate_plan::Pull::Always) => Pull::Always,
            None => default,
        },
        time_max: fetch.timeout,
    }
}

async fn have(order: &Order, signers: Option<&Signers>, store: &Store) -> Result<Had, String> {
    let credentials = order.credentials_file.clone();
    let credentials = credentials.map_or_else(Credentials::of_user, Credentials::of_file);
    let began = std::time::Instant::now();
    let shown = shown(&order.wanted.origin);
    let fault = |why: plug_package::PackageFault| format!("module `{shown}` cannot be had: {why}");
    let client = Client::new(credentials, order.plain_http).map_err(fault)?;
    let fetched = plug_package::fetch(&client, &order.wanted, store).await;
    crate::records::calls::of_registry(&shown, &fetched, began.elapsed());
    let fetched = fetched.map_err(fault)?;
    tell(&fetched, &shown, began.elapsed());
    let image = match &order.wanted.origin {
        Origin::Oci(reference) => fetched.image.map(|image| (reference.clone(), image)),
        Origin::Http(_) => None,
    };
    let had = Had {
        digest: fetched.digest.hex(),
        bytes: fetched.module,
        path: fetched.file,
        looks: None,
        image,
        made: fetched.created,
        documents: Vec::new(),
        unasked: None,
    };
    match signers {
        Some(signers) => Ok(with_signatures(had, signers, (order, &client, store)).await),
        None => Ok(had),
    }
}

/// Those that were had before are enough when they let the plugin run, so that a registry may be down.
async fn with_signatures(mut had: Had, signers: &Signers, (order, client, store): (&Order, &Client, &Store)) -> Had {
    let place = match (&order.wanted.origin, &had.image) {
        (Origin::Oci(reference), Some((_, image))) => Signatures::Image(reference, *image),
        (Origin::Http(url), _) => match Digest::parse(&format!("sha256:{}", had.digest)) {
            Ok(module) => Signatures::File(url, module),
            Err(_) => return had,
        },
        _ => return had,
    };
    had.documents = place.kept(store);
    if signers.judge(&had.candidate()).is_ok() {
        return had;
    }
    match place.fetch(client, store, order.wanted.time_max).await {
        Ok(documents) => had.documents = documents,
        Err(why) => had.unasked = Some(why.to_string()),
    }
    had
}

fn tell(fetched: &Fetched, shown: &str, took: Duration) {
    let image = fetched.image.map(|image| format!(" image={image}")).unwrap_or_default();
    let what = format!("source={shown}{image} sha256={}", fetched.digest.hex());
    match &fetched.way {
        Way::Network => say(&format!(
            "module fetched {what} bytes={} ms={}",
            fetched.module.len(),
            took.as_millis()
        )),
        Way::Store => say(&format!("module from store {what}")),
        Way::Older { since, why } => {
            let now = SystemTime::now()
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default();
            let ago = Duration::from_secs(now.as_secs().saturating_sub(*since));
            warn(&format!(
                "warning: module `{shown}` cannot be had anew: {why}; the one of {ago:?} ago is used {what}"
            ));
        }
    }
}

/// A source for people, without what may let somebody in.
fn shown(origin: &Origin) -> String {
    match origin {
        Origin::Oci(reference) => reference.to_string(),
        Origin::Http(url) => {
            let mut url = url.clone();
            url.set_query(None);
            url.to_string()
        }
    }
}
