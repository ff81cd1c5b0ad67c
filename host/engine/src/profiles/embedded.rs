//! The files of `host/engine/providers/`, as part of the program.
//!
//! Listed by hand, so that a build needs no script; a test compares the list
//! with the directory.

macro_rules! files {
    ($($name:literal)*) => {
        &[$((concat!($name, ".toml"), include_str!(concat!("../../providers/", $name, ".toml"))),)*]
    };
}

/// Name and text of each file.
pub(crate) const EMBEDDED: &[(&str, &str)] = files! {
    "aliyun"
    "aliyun-enterprise"
    "aliyun-singapore"
    "aol"
    "att"
    "china-mobile-139"
    "china-telecom-189"
    "comcast"
    "daum"
    "exmail"
    "fastmail"
    "feishu"
    "foxmail"
    "free-fr"
    "gmail"
    "gmx"
    "gmx-com"
    "icloud"
    "lark"
    "libero"
    "mail-ru"
    "microsoft365"
    "naver"
    "netease-126"
    "netease-163"
    "netease-enterprise"
    "netease-vip"
    "netease-yeah"
    "orange"
    "outlook"
    "posteo"
    "proton"
    "qq"
    "qq-vip"
    "rambler"
    "seznam"
    "sina"
    "sohu"
    "t-online"
    "web-de"
    "yahoo"
    "yandex"
    "zoho"
    "zoho-eu"
    "zoho-in"
};
