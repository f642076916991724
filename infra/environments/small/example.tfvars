# The three that every installation needs, as an example: terraform plan -var-file=example.tfvars
domain_name = "post-staging.example.com"
hosted_zone = "example.com"
image_tag   = "v0.1.0"
