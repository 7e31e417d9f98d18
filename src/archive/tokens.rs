//! From tokens to items: what their contracts say, recorded with the block it was read at.

use super::events::{Event, EventKind};
use super::input::{TokenRequest, Wanted};
use super::manifest::{ChainRecord, Item, ItemKind, ItemStatus, Manifest};
use super::options::{Notice, Options, Refresh};
use crate::address::TokenId;
use crate::control::Control;
use crate::error::{Error, Result};
use crate::net::chain::{ChainId, Failure, Http, Reader, Reason, Standard, TokenUri};
use std::collections::HashMap;
use std::path::Path;

/// Tokens that are looked up before the manifest has them.
const TOGETHER_MAX: usize = 500;

/// The chains that this run asks.
#[derive(Debug, Default)]
pub(super) struct Chains {
    readers: HashMap<ChainId, Reader<Http>>,
}

/// Asks contracts and notes what they say.
pub(super) struct Resolve<'r> {
    pub(super) chains: &'r mut Chains,
    pub(super) manifest: &'r mut Manifest,
    /// Items by their names.
    pub(super) names: &'r mut HashMap<String, usize>,
    pub(super) options: &'r Options,
    /// The log; `None` when nothing is written.
    pub(super) events: Option<&'r Path>,
    pub(super) notice: &'r mut dyn FnMut(Notice),
}

impl Chains {
    /// Connects to the endpoint of every chain that has to be asked, before anything is written.
    ///
    /// # Errors
    /// When there is none, it cannot be asked, or it serves another chain.
    pub(super) fn connect<'t>(
        requests: impl Iterator<Item = &'t TokenRequest>,
        known: &HashMap<String, usize>,
        manifest: &Manifest,
        options: &Options,
        control: &Control,
    ) -> Result<Chains> {
        let mut chains = Chains::default();
        for request in requests {
            let is_open =
                !open_ids(request, known, manifest, options).is_empty() || is_listing_open(request, known, manifest, options);
            if !is_open || chains.readers.contains_key(&request.chain) {
                continue;
            }
            let serves = |served: Option<ChainId>| served.is_none_or(|served| served == request.chain);
            let endpoint = options.endpoints.iter().find(|e| e.chain.is_some() && serves(e.chain));
            let endpoint = endpoint.or_else(|| options.endpoints.iter().find(|e| e.chain.is_none()));
            let Some(endpoint) = endpoint else {
                let chain = request.chain;
                let message = format!("no endpoint for {chain}: name one with --rpc {chain}=URL, or in CARTOOL_RPC_{}", chain.0);
                return Err(Error::usage(message));
            };
            let http = Http::new(endpoint.endpoint.clone(), &options.net, control);
            chains.readers.insert(request.chain, Reader::connect(http, request.chain, options.uri_len_max)?);
        }
        Ok(chains)
    }
}

/// The name of the item of a contract.
pub(super) fn collection_id(request: &TokenRequest, standard: Standard) -> String {
    format!("{}/{}:{}", request.chain, standard.as_str(), request.contract)
}

/// The items that a token may have, by the standards it may follow.
fn item_of(request: &TokenRequest, id: &TokenId, known: &HashMap<String, usize>) -> Option<usize> {
    standards(request).iter().find_map(|standard| {
        // The newest version stands under the plain name.
        known.get(&format!("{}/{id}", collection_id(request, *standard))).copied()
    })
}

fn standards(request: &TokenRequest) -> &'static [Standard] {
    match request.standard {
        Some(Standard::Erc721) => &[Standard::Erc721],
        Some(Standard::Erc1155) => &[Standard::Erc1155],
        None => &[Standard::Erc721, Standard::Erc1155],
    }
}

/// The tokens whose contract has to be asked.
fn open_ids(request: &TokenRequest, known: &HashMap<String, usize>, manifest: &Manifest, options: &Options) -> Vec<TokenId> {
    let Wanted::Ids(ids) = &request.ids else { return Vec::new() };
    let is_open = |id: &&TokenId| match item_of(request, id, known).and_then(|at| manifest.items.get(at)) {
        Some(_) if options.refresh == Refresh::Always => true,
        Some(item) => item.chain.is_none() && item.retryable == Some(true),
        None => true,
    };
    ids.iter().filter(is_open).copied().collect()
}

/// Whether the contract has to be asked for the list of its tokens.
fn is_listing_open(request: &TokenRequest, known: &HashMap<String, usize>, manifest: &Manifest, options: &Options) -> bool {
    let collection = known.get(&collection_id(request, request.standard.unwrap_or(Standard::Erc721)));
    let is_listed = collection
        .and_then(|at| manifest.items.get(*at))
        .is_some_and(|item| item.status != ItemStatus::Failed && item.input == request.input);
    request.ids == Wanted::All && (options.refresh == Refresh::Always || !is_listed)
}

impl Resolve<'_> {
    /// Makes items of a request and gives the numbers of those that it names.
    ///
    /// # Errors
    /// When the work is stopped, or an event cannot be noted.
    pub(super) fn resolve(&mut self, request: &TokenRequest) -> Result<Vec<usize>> {
        if !is_listing_open(request, self.names, self.manifest, self.options) {
            if request.ids == Wanted::All {
                return Ok(self.listed(request));
            }
            return self.tokens(request);
        }
        let standard = request.standard.unwrap_or(Standard::Erc721);
        let Some(reader) = self.chains.readers.get_mut(&request.chain) else { return Ok(Vec::new()) };
        let ids = reader.all_tokens(&request.contract, self.options.items_max)?;
        let place = self.collection(request, standard, true)?;
        match ids {
            Ok(ids) => {
                let request = TokenRequest { ids: Wanted::Ids(ids), standard: Some(standard), ..request.clone() };
                let mut items = self.tokens(&request)?;
                items.extend(place);
                Ok(items)
            }
            Err(failure) => {
                let id = collection_id(request, standard);
                let place = place.unwrap_or_else(|| self.put(blank(id, &request.input, ItemKind::Collection)));
                self.fail(place, &failure)?;
                Ok(Vec::new())
            }
        }
    }

    /// The tokens that an earlier run listed.
    fn listed(&self, request: &TokenRequest) -> Vec<usize> {
        let prefix = collection_id(request, request.standard.unwrap_or(Standard::Erc721));
        let is_of = |id: &str| id.strip_prefix(&prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.manifest.items.iter().enumerate().filter(|(_, item)| is_of(&item.id)).map(|(at, _)| at).collect()
    }

    fn tokens(&mut self, request: &TokenRequest) -> Result<Vec<usize>> {
        let open = open_ids(request, self.names, self.manifest, self.options);
        let mut standard = None;
        for ids in open.chunks(TOGETHER_MAX) {
            let Some(reader) = self.chains.readers.get_mut(&request.chain) else { break };
            let results = reader.token_uris(&request.contract, request.standard, ids)?;
            let origin = reader.origin();
            for (id, result) in ids.iter().zip(results) {
                standard = standard.or(result.as_ref().ok().map(|uri| uri.standard));
                self.token(request, id, result, &origin)?;
            }
        }
        let is_new = standard.is_some_and(|standard| !self.names.contains_key(&collection_id(request, standard)));
        if let Some(standard) = standard
            && (is_new || self.options.refresh == Refresh::Always)
        {
            self.collection(request, standard, false)?;
        }
        let Wanted::Ids(ids) = &request.ids else { return Ok(Vec::new()) };
        Ok(ids.iter().filter_map(|id| item_of(request, id, self.names)).collect())
    }

    /// Notes what the contract said about one token.
    fn token(
        &mut self,
        request: &TokenRequest,
        id: &TokenId,
        result: std::result::Result<TokenUri, Failure>,
        origin: &str,
    ) -> Result<()> {
        let known = item_of(request, id, self.names);
        let standard = result.as_ref().map_or_else(|_| request.standard.unwrap_or(Standard::Erc721), |uri| uri.standard);
        let name = format!("{}/{id}", collection_id(request, standard));
        let uri = match result {
            Ok(uri) => uri,
            Err(failure) => {
                // What was known before stays: a contract that is silent today does not undo it.
                if known.and_then(|at| self.manifest.items.get(at)).is_some_and(|item| item.chain.is_some()) {
                    (self.notice)(Notice::Warning(format!("{name}: {failure}; what is archived stays")));
                    return Ok(());
                }
                let place = known.unwrap_or_else(|| self.put(blank(name, &request.input, ItemKind::Token)));
                return self.fail(place, &failure);
            }
        };
        if let Some(note) = uri.note {
            (self.notice)(Notice::Warning(format!("{name}: the contract's answer has a remark: {}", note.as_str())));
            self.event("ok", &name, note.as_str())?;
        }
        let chain = record(request, &uri, &id.to_string(), origin);
        let place = self.version(known, name, &request.input, ItemKind::Token, &chain.uri);
        if let Some(item) = self.manifest.items.get_mut(place)
            && item.chain.as_ref().is_none_or(|old| old.uri != chain.uri)
        {
            item.chain = Some(chain);
        }
        Ok(())
    }

    /// The item for a URI: the known one, or a new one when the URI changed; the old one is kept under the number of its block.
    fn version(&mut self, known: Option<usize>, name: String, input: &str, kind: ItemKind, uri: &str) -> usize {
        let Some(place) = known else { return self.put(blank(name, input, kind)) };
        let old_block = self
            .manifest
            .items
            .get(place)
            .and_then(|item| item.chain.as_ref())
            .filter(|chain| chain.uri != uri)
            .map(|chain| chain.block_number);
        let Some(block) = old_block else { return place };
        if let Some(item) = self.manifest.items.get_mut(place) {
            item.id = format!("{name}@{block}");
            self.names.insert(item.id.clone(), place);
        }
        self.names.remove(&name);
        self.put(blank(name, input, kind))
    }

    /// The contract's own metadata, if it has any: once for each contract.
    fn collection(&mut self, request: &TokenRequest, standard: Standard, is_named: bool) -> Result<Option<usize>> {
        let Some(reader) = self.chains.readers.get_mut(&request.chain) else { return Ok(None) };
        let (uri, origin) = (reader.contract_uri(&request.contract, standard)?, reader.origin());
        let name = collection_id(request, standard);
        let known = self.names.get(&name).copied();
        let input = if is_named { request.input.clone() } else { name.clone() };
        let Some(uri) = uri else {
            // A contract that was named is an item in any case, so that it is known to be listed.
            return Ok(is_named.then(|| known.unwrap_or_else(|| self.put(blank(name, &input, ItemKind::Collection)))));
        };
        let chain = record(request, &uri, "0", &origin);
        let place = self.version(known, name, &input, ItemKind::Collection, &chain.uri);
        if let Some(item) = self.manifest.items.get_mut(place) {
            if item.chain.as_ref().is_none_or(|old| old.uri != chain.uri) {
                item.chain = Some(chain);
            }
            if is_named {
                item.input = input;
            }
        }
        Ok(Some(place))
    }

    fn put(&mut self, item: Item) -> usize {
        let place = self.manifest.items.len();
        self.names.insert(item.id.clone(), place);
        self.manifest.items.push(item);
        place
    }

    fn fail(&mut self, place: usize, failure: &Failure) -> Result<()> {
        let Some(item) = self.manifest.items.get_mut(place) else { return Ok(()) };
        item.status = ItemStatus::Failed;
        item.reason = Some(failure.reason.as_str().to_owned());
        item.retryable = Some(failure.reason == Reason::Endpoint);
        let name = item.id.clone();
        (self.notice)(Notice::Warning(format!("{name}: {failure}")));
        self.event("fail", &name, &failure.to_string())
    }

    fn event(&self, outcome: &str, object: &str, detail: &str) -> Result<()> {
        self.events.map_or(Ok(()), |log| Event::new(EventKind::Resolve, outcome, object, detail).append(log))
    }
}

fn record(request: &TokenRequest, uri: &TokenUri, token_id: &str, origin: &str) -> ChainRecord {
    ChainRecord {
        block_hash: uri.block.hash.clone(),
        block_number: uri.block.number,
        chain_id: request.chain.to_string(),
        contract: request.contract.to_string(),
        endpoint: Some(origin.to_owned()),
        function: uri.function.signature().to_owned(),
        standard: uri.standard.as_str().to_owned(),
        token_id: token_id.to_owned(),
        uri: uri.uri.clone(),
    }
}

/// An item that nothing is known of yet, hence not complete: a run may be killed before it is.
pub(super) fn blank(id: String, input: &str, kind: ItemKind) -> Item {
    Item {
        chain: None,
        id,
        input: input.to_owned(),
        kind,
        links: Vec::new(),
        metadata: None,
        reason: None,
        retryable: None,
        status: ItemStatus::Incomplete,
    }
}
