# From a source of trajectories to windows: acquire (or synthetic), ingest, split.

MANIFEST = f"{RESULTS}/data/manifest.json"
RAW = f"{RESULTS}/data/raw"

if config["dataset"]["source"] == SYNTHETIC:

    rule synthetic:
        output:
            MANIFEST,
        log:
            log_of("synthetic"),
        benchmark:
            benchmark_of("synthetic")
        conda:
            "../../envs/data.yaml"
        params:
            folder=RAW,
            seed=config.get("synthetic", {}).get("seed", 0),
            size=config.get("synthetic", {}).get("size", 1.0),
            code=command_fingerprint("synthetic"),
        message:
            "Make the demonstration dataset"
        shell:
            "python src synthetic --seed {params.seed} --size {params.size} "
            "--folder {params.folder} --output {output} 2>&1 | tee {log}"

else:

    # Downloads stand beside the manifest and are no declared output: they outlive a failed job,
    # and the next one goes on with the first missing file.
    rule acquire:
        output:
            MANIFEST,
        log:
            log_of("acquire"),
        benchmark:
            benchmark_of("acquire")
        retries: 2
        conda:
            "../../envs/data.yaml"
        params:
            source=config["dataset"]["source"],
            server=config["dataset"]["server"],
            checksum=config["dataset"]["checksum"] or "",
            folder=RAW,
            state=folder_state(config["dataset"]["source"]),
            code=command_fingerprint("acquire"),
        message:
            "Acquire {params.source}"
        shell:
            "python src acquire --source {params.source:q} --server {params.server:q} "
            "--checksum={params.checksum:q} --folder {params.folder} --output {output} "
            "2>&1 | tee {log}"


rule ingest:
    input:
        manifest=MANIFEST,
    output:
        store=STORE,
    log:
        log_of("ingest"),
    benchmark:
        benchmark_of("ingest")
    conda:
        "../../envs/data.yaml"
    threads: 8
    params:
        categories=categories_of(config) or [],
        code=command_fingerprint("ingest"),
    message:
        "Read all trajectories into one frame store"
    shell:
        "python src ingest --manifest {input.manifest} --categories {params.categories:q} "
        "--threads {threads} --output {output.store} 2>&1 | tee {log}"


rule split:
    input:
        store=STORE,
    output:
        folds=expand(f"{SPLITS}/fold{{fold}}.parquet", fold=FOLDS, allow_missing=True),
        summary=f"{SPLITS}/summary.csv",
    log:
        f"{RESULTS}/logs/split/{{protocol}}-T{{length}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/split/{{protocol}}-T{{length}}.tsv"
    conda:
        "../../envs/data.yaml"
    params:
        folder=subpath(output.summary, parent=True),
        settings=in_order(config["split"]),
        step=config["windows"]["step"],
        code=command_fingerprint("split"),
    message:
        "Cut windows of {wildcards.length} frames by the protocol {wildcards.protocol}"
    shell:
        "python src split --store {input.store} --protocol {wildcards.protocol} "
        "--segment-length {wildcards.length} --step {params.step} --settings {params.settings:q} "
        "--output {params.folder} 2>&1 | tee {log}"
