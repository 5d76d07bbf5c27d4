//! What the webhook answers: conversions, and admission of sites.
//!
//! **Invariant:** both admission handlers see sites at v1, whatever version a client writes: the server converts.

use kubewright::convert::{Converter, Converters};
use kubewright::webhook::{
    Admission, Allowed, ConfigurationNames, Denied, Hook, Tls, Validator, Verdict, WebhookServer,
};
use kubewright::{webhook, webhook_configuration};

use crate::api::v1::{Content, Site, Strategy, Tier};

/// What a cluster calls the webhooks of this program.
pub const NAMES: ConfigurationNames = webhook_configuration!(
    mutating = "site-webhook.web.example.com",
    validating = "site-webhook.web.example.com"
);

/// The server, with all of its handlers.
///
/// Defaults are filled in both for what the schema says, which matters where a nested value came after the server
/// looked, and for what no schema can say.
pub fn server(tls: Tls) -> WebhookServer {
    WebhookServer::new(tls)
        .conversion(Converters::new().with(Converter::of::<Site>()))
        .hook(Hook::defaults::<Site>())
        .hook(Hook::validator(SiteRules))
}

/// Rules between fields.
#[derive(Clone, Copy, Debug)]
pub struct SiteRules;

#[webhook(
    validating,
    name = "rules.sites.web.example.com",
    path = "/rules",
    timeout_seconds = 5
)]
impl Validator for SiteRules {
    type Object = Site;

    async fn validate(&self, request: &Admission<Site>) -> Verdict {
        let Some(site) = &request.object else {
            return Ok(Allowed::new());
        };
        let (spec, replicas) = (&site.spec, site.spec.replicas.unwrap_or(1));
        let taken = spec.ports.iter().position(|port| port.number == spec.port);
        if let Some(index) = taken {
            let field = format!("spec.ports[{index}].number");
            return Err(Denied::invalid(field, "is the port of the site"));
        }
        if spec.tier == Tier::Gold && replicas < 2 {
            return Err(Denied::invalid("spec.tier", "Gold takes two replicas at least"));
        }
        if let (Some(old), Some(Content::Proxy { .. })) = (&request.old_object, &spec.content)
            && !matches!(old.spec.content, Some(Content::Proxy { .. }))
        {
            let message = "a site does not become a proxy: clients of v1beta1 could not see it any more";
            return Err(Denied::invalid("spec.content.type", message));
        }
        let mut allowed = Allowed::new();
        if spec.strategy == Strategy::Canary && replicas < 2 {
            allowed = allowed.warn("spec.strategy: the canary of a single replica is all of the site");
        }
        Ok(allowed)
    }
}
