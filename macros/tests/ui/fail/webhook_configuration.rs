//! Names of configurations.

use kubewright::webhook::ConfigurationNames;
use kubewright::webhook_configuration;

const CAPITALS: ConfigurationNames = webhook_configuration!(mutating = "Mine", validating = "a_b.example.com");
const OTHER: ConfigurationNames = webhook_configuration!(validate = "a.example.com");

fn main() {}
