//! What a template may ask about a request, and what it may change of it.

use std::borrow::Cow;

/// What a template is rendered for. A renderer asks for nothing that its template does not name, and for the body at
/// most once.
pub trait Event {
    /// The body: of the request for a request template, of the integration's response for a response template.
    fn body(&self) -> &str;

    /// A variable of `$context` that has a name of its own; `None` prints nothing.
    fn variable(&self, variable: Variable) -> Option<Fact<'_>>;

    /// One entry of a table, under the name as the template writes it.
    fn entry<'e>(&'e self, table: Table, name: &str) -> Option<Fact<'e>>;

    /// All entries of a table, in the order in which a template shall see them.
    fn entries<'e>(&'e self, table: Table, visit: &mut dyn FnMut(&'e str, Fact<'e>));
}

/// What has names that the gateway does not know beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `$input.params().path`
    Path,
    /// `$input.params().querystring`
    QueryString,
    /// `$input.params().header`
    Header,
    /// `$stageVariables`
    StageVariables,
    /// `$context.authorizer`, without `claims`
    Authorizer,
    /// `$context.authorizer.claims`
    Claims,
}

/// A value of the request.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact<'e> {
    Text(Cow<'e, str>),
    Number(i64),
    Flag(bool),
}

impl<'e> From<&'e str> for Fact<'e> {
    fn from(text: &'e str) -> Fact<'e> {
        Fact::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Fact<'_> {
    fn from(text: String) -> Self {
        Fact::Text(Cow::Owned(text))
    }
}

impl From<i64> for Fact<'_> {
    fn from(number: i64) -> Self {
        Fact::Number(number)
    }
}

macro_rules! variables {
    ($($name:ident $path:literal)*) => {
        /// The variables of `$context` (the developer guide's list) but for `authorizer` and the overrides.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Variable { $($name,)* }

        impl Variable {
            pub const ALL: &'static [Variable] = &[$(Variable::$name,)*];

            /// What stands after `$context.`, such as `identity.sourceIp`.
            pub fn path(self) -> &'static str {
                match self { $(Variable::$name => $path,)* }
            }
        }
    };
}

variables! {
    AccountId "accountId"
    ApiId "apiId"
    AwsEndpointRequestId "awsEndpointRequestId"
    DeploymentId "deploymentId"
    DomainName "domainName"
    DomainPrefix "domainPrefix"
    EndpointType "endpointType"
    ErrorMessage "error.message"
    ErrorMessageString "error.messageString"
    ErrorResponseType "error.responseType"
    ErrorValidationErrorString "error.validationErrorString"
    ExtendedRequestId "extendedRequestId"
    HttpMethod "httpMethod"
    IdentityAccountId "identity.accountId"
    IdentityAccessKey "identity.accessKey"
    IdentityApiKey "identity.apiKey"
    IdentityApiKeyId "identity.apiKeyId"
    IdentityCaller "identity.caller"
    ClientCertPem "identity.clientCert.clientCertPem"
    ClientCertSubjectDn "identity.clientCert.subjectDN"
    ClientCertIssuerDn "identity.clientCert.issuerDN"
    ClientCertSerialNumber "identity.clientCert.serialNumber"
    ClientCertNotBefore "identity.clientCert.validity.notBefore"
    ClientCertNotAfter "identity.clientCert.validity.notAfter"
    IdentityCognitoAuthenticationProvider "identity.cognitoAuthenticationProvider"
    IdentityCognitoAuthenticationType "identity.cognitoAuthenticationType"
    IdentityCognitoIdentityId "identity.cognitoIdentityId"
    IdentityCognitoIdentityPoolId "identity.cognitoIdentityPoolId"
    IdentityPrincipalOrgId "identity.principalOrgId"
    IdentitySourceIp "identity.sourceIp"
    IdentityUser "identity.user"
    IdentityUserAgent "identity.userAgent"
    IdentityUserArn "identity.userArn"
    IdentityVpcId "identity.vpcId"
    IdentityVpceId "identity.vpceId"
    IsCanaryRequest "isCanaryRequest"
    Path "path"
    Protocol "protocol"
    RequestId "requestId"
    RequestTime "requestTime"
    RequestTimeEpoch "requestTimeEpoch"
    ResourceId "resourceId"
    ResourcePath "resourcePath"
    Stage "stage"
    WafResponseCode "wafResponseCode"
    WebaclArn "webaclArn"
}

impl Variable {
    pub fn named(path: &str) -> Option<Variable> {
        Variable::ALL.iter().copied().find(|variable| variable.path() == path)
    }
}

/// What templates have put into `$context.requestOverride` and `$context.responseOverride`. The request template's go
/// into the response template's rendering, which returns them with its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    pub request_headers: Vec<(String, Override)>,
    pub request_path: Vec<(String, Override)>,
    pub request_querystring: Vec<(String, Override)>,
    pub response_headers: Vec<(String, Override)>,
    /// Only a whole number from 100 to 599 counts.
    pub response_status: Option<u16>,
}

/// One value, or the several of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Override {
    One(String),
    Many(Vec<String>),
}

impl Overrides {
    pub fn is_empty(&self) -> bool {
        *self == Overrides::default()
    }
}
