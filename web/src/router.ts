import { createRouter, createWebHistory, type Router, type RouteRecordRaw } from 'vue-router'
import { whenSessionLost } from './api/client'
import { i18n } from './i18n'
import { useSession } from './stores/session'

declare module 'vue-router' {
  interface RouteMeta {
    /** Whether it is reachable without logging in. */
    open?: boolean
    /** Message key of the page's title. */
    title?: string
    /** Whether it uses the whole width of a large screen. */
    wide?: boolean
  }
}

/** Pages for users who are not logged in. */
const FOR_STRANGERS = ['login', 'sign-up', 'forgot-password']

const ID = '(\\d+)'
const ids = (params: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(params).map(([key, value]) => [key, Number(value)]))

export const routes: RouteRecordRaw[] = [
  {
    path: '/login',
    name: 'login',
    component: () => import('./pages/LoginPage.vue'),
    meta: { open: true, title: 'login.title' },
  },
  {
    path: '/sign-up',
    name: 'sign-up',
    component: () => import('./pages/SignUpPage.vue'),
    meta: { open: true, title: 'gate.signUp' },
  },
  {
    path: '/forgot-password',
    name: 'forgot-password',
    component: () => import('./pages/ForgotPasswordPage.vue'),
    meta: { open: true, title: 'gate.forgot' },
  },
  {
    path: '/password-reset',
    name: 'password-reset',
    component: () => import('./pages/PasswordResetPage.vue'),
    meta: { open: true, title: 'gate.reset' },
  },
  {
    path: '/invitation',
    name: 'invitation',
    component: () => import('./pages/InvitationPage.vue'),
    meta: { open: true, title: 'invitation.title' },
  },
  page(`/demo/:projectId${ID}`, 'demo', () => import('./pages/DemoShopPage.vue'), 'demo.title'),
  {
    path: '/',
    component: () => import('./components/AppShell.vue'),
    children: [
      {
        path: 'studio',
        name: 'studio',
        component: () => import('./pages/StudioPage.vue'),
        meta: { title: 'studio.title', wide: true },
      },
      {
        path: `studio/:runId${ID}`,
        name: 'studio-run',
        component: () => import('./pages/StudioRunPage.vue'),
        props: (to) => ids(to.params),
        meta: { title: 'studio.title', wide: true },
      },
      {
        path: '',
        name: 'projects',
        component: () => import('./pages/ProjectsPage.vue'),
        meta: { title: 'projects.title' },
      },
      {
        path: 'account',
        name: 'account',
        component: () => import('./pages/AccountPage.vue'),
        meta: { title: 'account.title' },
      },
      {
        path: 'organisations',
        name: 'organisations',
        component: () => import('./pages/OrganisationsPage.vue'),
        meta: { title: 'organisations.title' },
      },
      page(
        `organisations/:organisationId${ID}`,
        'organisation',
        () => import('./pages/OrganisationPage.vue'),
        'organisations.title',
      ),
      {
        path: 'users',
        name: 'users',
        component: () => import('./pages/UsersPage.vue'),
        meta: { title: 'users.title' },
      },
      {
        path: 'audit',
        name: 'audit',
        component: () => import('./pages/AuditPage.vue'),
        meta: { title: 'audit.title' },
      },
      {
        path: `projects/:projectId${ID}`,
        children: [
          page('', 'overview', () => import('./pages/OverviewPage.vue'), 'nav.overview'),
          page('data', 'data', () => import('./pages/DataPage.vue'), 'data.title'),
          page(`data/:dataId${ID}`, 'data-detail', () => import('./pages/DataDetailPage.vue'), 'data.title'),
          page('sources', 'sources', () => import('./pages/SourcesPage.vue'), 'sources.title'),
          page('sources/new', 'source-new', () => import('./pages/SourceEditPage.vue'), 'sources.newTitle'),
          page(`sources/:sourceId${ID}`, 'source', () => import('./pages/SourcePage.vue'), 'sources.title'),
          page(
            `sources/:sourceId${ID}/edit`,
            'source-edit',
            () => import('./pages/SourceEditPage.vue'),
            'sources.title',
          ),
          {
            path: 'features',
            name: 'features',
            component: () => import('./pages/FeaturesPage.vue'),
            props: (to) => ids(to.params),
            meta: { title: 'features.title', wide: true },
          },
          page('tuning', 'tuning', () => import('./pages/TuningPage.vue'), 'tuning.title'),
          page('tuning/new', 'tuning-new', () => import('./pages/TuningWizardPage.vue'), 'wizard.title'),
          page(`tuning/:jobId${ID}`, 'job', () => import('./pages/JobPage.vue'), 'tuning.title'),
          page('models', 'models', () => import('./pages/ModelsPage.vue'), 'models.title'),
          page(`models/:modelId${ID}`, 'model', () => import('./pages/ModelPage.vue'), 'models.title'),
          page(
            'deployments',
            'deployments',
            () => import('./pages/DeploymentsPage.vue'),
            'deployments.title',
          ),
          page(
            `deployments/:slotId${ID}/comparison`,
            'slot-comparison',
            () => import('./pages/SlotComparisonPage.vue'),
            'comparison.title',
          ),
          page(
            'destinations',
            'destinations',
            () => import('./pages/DestinationsPage.vue'),
            'destinations.title',
          ),
          page(
            `destinations/:destinationId${ID}`,
            'destination',
            () => import('./pages/DestinationPage.vue'),
            'destinations.title',
          ),
          page('ab-tests', 'ab-tests', () => import('./pages/AbTestsPage.vue'), 'abTests.title'),
          page(`ab-tests/:testId${ID}`, 'ab-test', () => import('./pages/AbTestPage.vue'), 'abTests.title'),
          page('pipeline', 'pipeline', () => import('./pages/PipelinePage.vue'), 'pipeline.title'),
          page('retraining', 'retraining', () => import('./pages/RetrainingPage.vue'), 'retraining.title'),
          page('keys', 'keys', () => import('./pages/ApiKeysPage.vue'), 'keys.title'),
          page(
            'integrations',
            'integrations',
            () => import('./pages/IntegrationsPage.vue'),
            'integrations.title',
          ),
          page(
            `integrations/webhooks/:endpointId${ID}`,
            'webhook',
            () => import('./pages/WebhookPage.vue'),
            'integrations.title',
          ),
          page('settings', 'settings', () => import('./pages/SettingsPage.vue'), 'settings.title'),
        ],
      },
      {
        path: ':rest(.*)*',
        name: 'not-found',
        component: () => import('./pages/NotFoundPage.vue'),
        meta: { title: 'notFound.title' },
      },
    ],
  },
]

function page(path: string, name: string, component: () => Promise<unknown>, title: string): RouteRecordRaw {
  return { path, name, component: component as never, props: (to) => ids(to.params), meta: { title } }
}

export function createAppRouter(): Router {
  const router = createRouter({
    history: createWebHistory(),
    routes,
    scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  })

  router.beforeEach(async (to, from) => {
    // The server lets only the document of the demo shop load pictures from elsewhere.
    if (to.name === 'demo' && from.matched.length > 0 && from.name !== 'demo') {
      location.assign(to.fullPath)
      return false
    }
    const session = useSession()
    if (!session.loaded) {
      try {
        await session.load()
      } catch {
        // The server cannot be reached: pages show that themselves, with a button to retry.
        return true
      }
    }
    if (!session.user && session.loaded && !to.meta.open) {
      return { name: 'login', query: to.fullPath === '/' ? {} : { next: to.fullPath } }
    }
    if (session.user && FOR_STRANGERS.includes(String(to.name))) return { name: 'projects' }
    return true
  })

  router.afterEach((to) => {
    const title = to.meta.title ? i18n.global.t(to.meta.title) : ''
    document.title = title ? `${title} · Recotem` : 'Recotem'
  })

  whenSessionLost(() => {
    const session = useSession()
    session.forget()
    session.loaded = true
    const current = router.currentRoute.value
    if (!current.meta.open)
      void router.push({ name: 'login', query: { next: current.fullPath, expired: '1' } })
  })

  return router
}
