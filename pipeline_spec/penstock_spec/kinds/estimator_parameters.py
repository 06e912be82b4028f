"""Which constructor arguments each class of `train` takes, so that an unknown one is refused at apply.

As scikit-learn of the image of the steps has them; tests/steps/test_estimators.py says what differs.
"""

from collections.abc import Mapping

PARAMETERS: Mapping[str, frozenset[str]] = {
    class_: frozenset(names.split())
    for class_, names in {
        "sklearn.ensemble.ExtraTreesClassifier": """
            n_estimators criterion max_depth min_samples_split min_samples_leaf
            min_weight_fraction_leaf max_features max_leaf_nodes min_impurity_decrease bootstrap
            oob_score n_jobs random_state verbose warm_start class_weight ccp_alpha max_samples
            monotonic_cst
        """,
        "sklearn.ensemble.GradientBoostingClassifier": """
            loss learning_rate n_estimators subsample criterion min_samples_split min_samples_leaf
            min_weight_fraction_leaf max_depth min_impurity_decrease random_state max_features
            verbose max_leaf_nodes warm_start validation_fraction n_iter_no_change tol ccp_alpha
        """,
        "sklearn.ensemble.HistGradientBoostingClassifier": """
            loss learning_rate max_iter max_leaf_nodes max_depth min_samples_leaf
            l2_regularization max_features max_bins monotonic_cst interaction_cst warm_start
            early_stopping scoring validation_fraction n_iter_no_change tol verbose random_state
            class_weight
        """,
        "sklearn.ensemble.RandomForestClassifier": """
            n_estimators criterion max_depth min_samples_split min_samples_leaf
            min_weight_fraction_leaf max_features max_leaf_nodes min_impurity_decrease bootstrap
            oob_score n_jobs random_state verbose warm_start class_weight ccp_alpha max_samples
            monotonic_cst
        """,
        "sklearn.linear_model.LogisticRegression": """
            penalty C l1_ratio dual tol fit_intercept intercept_scaling class_weight random_state
            solver max_iter verbose warm_start n_jobs
        """,
        "sklearn.naive_bayes.GaussianNB": "priors var_smoothing",
        "sklearn.neighbors.KNeighborsClassifier": """
            n_neighbors weights algorithm leaf_size p metric metric_params n_jobs
        """,
        "sklearn.neural_network.MLPClassifier": """
            hidden_layer_sizes activation solver alpha batch_size learning_rate learning_rate_init
            power_t max_iter shuffle random_state tol verbose warm_start momentum
            nesterovs_momentum early_stopping validation_fraction beta_1 beta_2 epsilon
            n_iter_no_change max_fun
        """,
        "sklearn.tree.DecisionTreeClassifier": """
            criterion splitter max_depth min_samples_split min_samples_leaf
            min_weight_fraction_leaf max_features random_state max_leaf_nodes
            min_impurity_decrease class_weight ccp_alpha monotonic_cst
        """,
        "sklearn.ensemble.ExtraTreesRegressor": """
            n_estimators criterion max_depth min_samples_split min_samples_leaf
            min_weight_fraction_leaf max_features max_leaf_nodes min_impurity_decrease bootstrap
            oob_score n_jobs random_state verbose warm_start ccp_alpha max_samples monotonic_cst
        """,
        "sklearn.ensemble.GradientBoostingRegressor": """
            loss learning_rate n_estimators subsample criterion min_samples_split min_samples_leaf
            min_weight_fraction_leaf max_depth min_impurity_decrease random_state max_features
            alpha verbose max_leaf_nodes warm_start validation_fraction n_iter_no_change tol
            ccp_alpha
        """,
        "sklearn.ensemble.HistGradientBoostingRegressor": """
            loss quantile learning_rate max_iter max_leaf_nodes max_depth min_samples_leaf
            l2_regularization max_features max_bins monotonic_cst interaction_cst warm_start
            early_stopping scoring validation_fraction n_iter_no_change tol verbose random_state
        """,
        "sklearn.ensemble.RandomForestRegressor": """
            n_estimators criterion max_depth min_samples_split min_samples_leaf
            min_weight_fraction_leaf max_features max_leaf_nodes min_impurity_decrease bootstrap
            oob_score n_jobs random_state verbose warm_start ccp_alpha max_samples monotonic_cst
        """,
        "sklearn.linear_model.BayesianRidge": """
            max_iter tol alpha_1 alpha_2 lambda_1 lambda_2 alpha_init lambda_init compute_score
            fit_intercept copy_X verbose
        """,
        "sklearn.linear_model.ElasticNet": """
            alpha l1_ratio fit_intercept precompute max_iter copy_X tol warm_start positive
            random_state selection
        """,
        "sklearn.linear_model.HuberRegressor": """
            epsilon max_iter alpha warm_start fit_intercept tol
        """,
        "sklearn.linear_model.Lasso": """
            alpha fit_intercept precompute copy_X max_iter tol warm_start positive random_state
            selection
        """,
        "sklearn.linear_model.LinearRegression": "fit_intercept copy_X tol n_jobs positive",
        "sklearn.linear_model.PoissonRegressor": """
            alpha fit_intercept solver max_iter tol warm_start verbose
        """,
        "sklearn.linear_model.Ridge": """
            alpha fit_intercept copy_X max_iter tol solver positive random_state
        """,
        "sklearn.neighbors.KNeighborsRegressor": """
            n_neighbors weights algorithm leaf_size p metric metric_params n_jobs
        """,
        "sklearn.neural_network.MLPRegressor": """
            loss hidden_layer_sizes activation solver alpha batch_size learning_rate
            learning_rate_init power_t max_iter shuffle random_state tol verbose warm_start
            momentum nesterovs_momentum early_stopping validation_fraction beta_1 beta_2 epsilon
            n_iter_no_change max_fun
        """,
        "sklearn.tree.DecisionTreeRegressor": """
            criterion splitter max_depth min_samples_split min_samples_leaf
            min_weight_fraction_leaf max_features random_state max_leaf_nodes
            min_impurity_decrease ccp_alpha monotonic_cst
        """,
    }.items()
}
